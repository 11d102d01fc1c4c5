// What device code finds in the language of CUDA: qualifiers, vectors, the coordinates of a thread,
// warp and atomic functions; and the typed launch.
#pragma once

#include <cuda_runtime_api.h>

#include <cmath>
#include <cstring>
#include <tuple>
#include <utility>

#include "tests/cuda/simt/grid.h"

#define __device__
#define __host__
#define __global__
#define __forceinline__ inline
#define __grid_constant__
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)

struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace qe::simt {

// threadIdx and its like: each component asks who runs.
template <Index Coordinates::*kIndex>
struct BuiltIn {
  template <unsigned Index::*kComponent>
  struct Component {
    operator unsigned() const { return (coordinates().*kIndex).*kComponent; }
  };
  Component<&Index::x> x;
  Component<&Index::y> y;
  Component<&Index::z> z;
};

}  // namespace qe::simt

inline constexpr qe::simt::BuiltIn<&qe::simt::Coordinates::thread> threadIdx{};
inline constexpr qe::simt::BuiltIn<&qe::simt::Coordinates::block> blockIdx{};
inline constexpr qe::simt::BuiltIn<&qe::simt::Coordinates::block_size> blockDim{};
inline constexpr qe::simt::BuiltIn<&qe::simt::Coordinates::grid_size> gridDim{};

inline void __syncthreads() { qe::simt::meet_block(); }
inline void __syncwarp(unsigned = 0xFFFFFFFFU) {
  qe::simt::meet_warp("__syncwarp", nullptr, [](auto) {});
}

template <class T>
T __ldg(const T* from) {
  return *from;
}
template <class T>
T __ldcg(const T* from) {
  return *from;
}
template <class T>
void __stcg(T* to, T value) {
  *to = value;
}

namespace qe::simt {

template <class T>
struct Shuffled {
  T given;
  int source;  // lane
  T taken;
};

template <class T>
T shuffle(const char* what, T value, int source) {
  Shuffled<T> mine{value, source, value};
  meet_warp(what, &mine, [](std::span<void* const> lanes) {
    for (void* lane : lanes) {
      auto& to = *static_cast<Shuffled<T>*>(lane);
      to.taken = static_cast<Shuffled<T>*>(lanes[static_cast<std::size_t>(to.source)])->given;
    }
  });
  return mine.taken;
}

}  // namespace qe::simt

template <class T>
T __shfl_sync(unsigned, T value, int source, int width = 32) {
  const int lane = qe::simt::lane_in_warp();
  return qe::simt::shuffle("__shfl_sync", value, lane / width * width + source % width);
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask, int width = 32) {
  const int lane = qe::simt::lane_in_warp();
  const int source = lane ^ mask;
  return qe::simt::shuffle("__shfl_xor_sync", value,
                           source / width <= lane / width ? source : lane);
}
template <class T>
T __shfl_down_sync(unsigned, T value, int delta, int width = 32) {
  const int lane = qe::simt::lane_in_warp();
  return qe::simt::shuffle("__shfl_down_sync", value,
                           lane % width + delta < width ? lane + delta : lane);
}

inline unsigned atomicInc(unsigned* to, unsigned last) {
  return std::exchange(*to, *to >= last ? 0U : *to + 1U);
}

template <class... Expected, class... Actual>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Expected...),
                               Actual&&... arguments) {
  return qe::simt::enqueue_kernel(
      *config, reinterpret_cast<const void*>(kernel),
      [kernel, values = std::tuple<Expected...>(std::forward<Actual>(arguments)...)] {
        std::apply(kernel, values);
      });
}
template <class... Expected>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes, void (*)(Expected...)) {
  *attributes = {.ptxVersion = qe::simt::code_version()};
  return cudaSuccess;
}
template <class... Expected>
cudaError_t cudaFuncSetAttribute(void (*kernel)(Expected...), cudaFuncAttribute, int value) {
  return qe::simt::set_shared_limit(reinterpret_cast<const void*>(kernel), value);
}
template <class... Expected>
cudaError_t cudaOccupancyMaxActiveClusters(int* count, void (*)(Expected...),
                                           const cudaLaunchConfig_t* config) {
  return qe::simt::count_clusters(*config, *count);
}
