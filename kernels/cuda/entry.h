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

// Lets a kernel have as much of a block's shared memory as the current device gives: always the
// same, so that threads that do it beside each other take nothing from each other.
template <class Kernel>
cudaError_t allow_all_shared(Kernel kernel) noexcept {
  int device = 0;
  int bytes = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  }
  return error != cudaSuccess
             ? error
             : cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
}

// One launch. Not copied: what it hands to CUDA points into it.
class LaunchConfig {
 public:
  LaunchConfig(int blocks, int threads, int shared_bytes, LaunchStream stream) {
    config_.gridDim = dim3(static_cast<unsigned>(blocks));
    config_.blockDim = dim3(static_cast<unsigned>(threads));
    config_.dynamicSmemBytes = static_cast<std::size_t>(shared_bytes);
    config_.stream = stream.handle;
    config_.attrs = attributes_.data();
    if (stream.overlaps) {
      add(cudaLaunchAttributeProgrammaticStreamSerialization)
          .programmaticStreamSerializationAllowed = 1;
    }
  }
  LaunchConfig(const LaunchConfig&) = delete;
  LaunchConfig& operator=(const LaunchConfig&) = delete;

  // As many rows of blocks, in as many layers.
  void set_grid_rows(int rows, int layers = 1) {
    config_.gridDim.y = static_cast<unsigned>(rows);
    config_.gridDim.z = static_cast<unsigned>(layers);
  }
  // As many blocks along x are a cluster. At most once.
  void set_cluster(int blocks) {
    auto& dimension = add(cudaLaunchAttributeClusterDimension).clusterDim;
    dimension.x = static_cast<unsigned>(blocks);
    dimension.y = 1;
    dimension.z = 1;
  }

  // All blocks get their place at once, or the launch is refused.
  void set_all_resident() { add(cudaLaunchAttributeCooperative).cooperative = 1; }

  template <class... Expected, class... Actual>
  int launch(void (*kernel)(Expected...), Actual&&... arguments) const {
    return cudaLaunchKernelEx(&config_, kernel, std::forward<Actual>(arguments)...);
  }
  // How many clusters of such a launch the device holds at once.
  template <class Kernel>
  int count_clusters(Kernel kernel, int& clusters) const {
    return cudaOccupancyMaxActiveClusters(&clusters, kernel, &config_);
  }

 private:
  decltype(cudaLaunchAttribute::val)& add(cudaLaunchAttributeID id) {
    cudaLaunchAttribute& attribute = attributes_[config_.numAttrs++];
    attribute.id = id;
    return attribute.val;
  }

  cudaLaunchConfig_t config_{};
  std::array<cudaLaunchAttribute, 3> attributes_{};
};

}  // namespace qe::kernels::cuda
