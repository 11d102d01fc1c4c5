// What the host knows of a kernel: its functions and what a launch of it takes. Host code of the
// files that hold kernels.
#pragma once

#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <utility>

#include "kernels/cuda/launch.h"

namespace qe::kernels::cuda {

template <class Function>
struct Entry {
  std::array<Function, 2> functions;  // for u8 and for s8 activations
  int shared_bytes, threads, blocks_per_multiprocessor;

  Function function(const Product& product) const {
    return functions[product.x.a_type == Element::kS8 ? 1 : 0];
  }
};

// make(std::integral_constant<int, k>) for every kernel k of a family.
template <Family kFamily, class Make>
auto entries_of(const Make& make) {
  constexpr int kFirst = first_of(kFamily);
  return [&]<int... kOffset>(std::integer_sequence<int, kOffset...>) {
    return std::array{make(std::integral_constant<int, kFirst + kOffset>{})...};
  }
  (std::make_integer_sequence<int, count_of(kFamily)>{});
}

template <class Entries>
int prepare(const Entries& entries) noexcept {
  for (const auto& entry : entries) {
    for (const auto function : entry.functions) {
      const cudaError_t error = cudaFuncSetAttribute(
          function, cudaFuncAttributeMaxDynamicSharedMemorySize, entry.shared_bytes);
      if (error != cudaSuccess) {
        return error;
      }
    }
  }
  return cudaSuccess;
}

inline cudaLaunchConfig_t launch_config(int blocks, int threads, int shared_bytes,
                                        cudaStream_t stream) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(blocks));
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = static_cast<std::size_t>(shared_bytes);
  config.stream = stream;
  return config;
}

}  // namespace qe::kernels::cuda
