// Values that the lanes of a warp put together. Device code.
#pragma once

#include <cmath>

#include "kernels/cuda/tile_maps.h"

namespace qe::kernels::cuda {

// NaN of two NaN alone, in one instruction; of zeros of both signs it may be either.
struct Least {
  __device__ __forceinline__ float operator()(float a, float b) const { return std::fmin(a, b); }
};
struct Largest {
  __device__ __forceinline__ float operator()(float a, float b) const { return std::fmax(a, b); }
};

// combine() over the values of kLanes neighbouring lanes, for all of them: first lanes kLanes / 2
// apart, at last neighbours. Every lane of the warp takes part.
template <int kLanes, class T, class Combine>
__device__ __forceinline__ T fold_lanes(T value, Combine combine) {
#pragma unroll
  for (int distance = kLanes / 2; distance > 0; distance /= 2) {
    value = combine(value, __shfl_xor_sync(0xFFFFFFFFU, value, distance));
  }
  return value;
}

// Likewise for each of kValues values: a lane gets the result of value lane % kValues. Of two
// values a lane keeps one and hands over the other, so that fewer are left at each distance. Powers
// of two.
template <int kLanes, int kValues, class T, class Combine>
__device__ __forceinline__ T fold_apart(const T (&given)[kValues], int lane, Combine combine) {
  T values[kValues];
#pragma unroll
  for (int i = 0; i < kValues; ++i) {
    values[i] = given[i];
  }
#pragma unroll
  for (int distance = 1; distance < kLanes; distance *= 2) {
    const int left = kValues / distance;
    if (left <= 1) {
      values[0] = combine(values[0], __shfl_xor_sync(0xFFFFFFFFU, values[0], distance));
    }
    const bool odd = (lane & distance) != 0;
#pragma unroll
    for (int i = 0; i < left / 2; ++i) {
      const T kept = odd ? values[2 * i + 1] : values[2 * i];
      const T given_away = odd ? values[2 * i] : values[2 * i + 1];
      values[i] = combine(kept, __shfl_xor_sync(0xFFFFFFFFU, given_away, distance));
    }
  }
  return values[0];
}

// combine() over the values of all kWarps warps of a block, for all threads. `places` are kWarps
// floats of shared memory that nothing else uses until the next __syncthreads().
template <int kWarps, class Combine>
__device__ __forceinline__ float fold_block(float value, float* places, int thread,
                                            Combine combine) {
  value = fold_lanes<kWarpLanes>(value, combine);
  if constexpr (kWarps > 1) {
    if (thread % kWarpLanes == 0) {
      places[thread / kWarpLanes] = value;
    }
    __syncthreads();
    value = places[0];
#pragma unroll
    for (int warp = 1; warp < kWarps; ++warp) {
      value = combine(value, places[warp]);
    }
  }
  return value;
}

}  // namespace qe::kernels::cuda
