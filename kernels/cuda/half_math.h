// Floats as halves, and rows of halves in pieces of four, read as floats. Device code.
#pragma once

#include <cuda_fp16.h>

#include <bit>
#include <cstdint>

#include "kernels/cuda/fours.h"
#include "kernels/cuda/to_float.h"

namespace qe::kernels::cuda {

// To nearest, ties to even; too much becomes an infinity.
__device__ __forceinline__ Half to_half(float v) { return std::bit_cast<Half>(__float2half_rn(v)); }

// Two halves in a register, the first in its low bits.
__device__ __forceinline__ std::uint32_t pack_halves(float first, float second) {
  return to_half(first).bits | static_cast<std::uint32_t>(to_half(second).bits) << 16U;
}
__device__ __forceinline__ float first_half(std::uint32_t pair) {
  return to_float(Half{static_cast<std::uint16_t>(pair)});
}
__device__ __forceinline__ float second_half(std::uint32_t pair) {
  return to_float(Half{static_cast<std::uint16_t>(pair >> 16U)});
}

template <bool kVector>
__device__ __forceinline__ void load_four(const Half* row, int at, int count, float missing,
                                          float (&v)[4]) {
  if (kVector && at + 4 <= count) {
    const uint2 four = *reinterpret_cast<const uint2*>(row + at);
    v[0] = first_half(four.x);
    v[1] = second_half(four.x);
    v[2] = first_half(four.y);
    v[3] = second_half(four.y);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    v[i] = at + i < count ? to_float(row[at + i]) : missing;
  }
}

template <bool kVector>
__device__ __forceinline__ void store_four(Half* row, int at, int count, const float (&v)[4]) {
  if (kVector && at + 4 <= count) {
    *reinterpret_cast<uint2*>(row + at) =
        make_uint2(pack_halves(v[0], v[1]), pack_halves(v[2], v[3]));
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (at + i < count) {
      row[at + i] = to_half(v[i]);
    }
  }
}

}  // namespace qe::kernels::cuda
