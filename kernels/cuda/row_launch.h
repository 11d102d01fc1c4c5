// What launches of row kernels share: rows are counted in device memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/entry.h"

namespace qe::kernels::cuda {

// Rows of this run.
__device__ __forceinline__ int row_count(int capacity, const std::int32_t* count) {
  const int rows = *count;
  return rows < capacity ? rows : capacity;
}

// Host code.
template <class Args>
int launch_rows(void (*kernel)(Args, const std::int32_t*), const Args& args,
                const std::int32_t* count, int blocks, int threads, int shared_bytes,
                LaunchStream stream) {
  if (blocks == 0) {
    return cudaSuccess;
  }
  return LaunchConfig(blocks, threads, shared_bytes, stream).launch(kernel, args, count);
}

}  // namespace qe::kernels::cuda
