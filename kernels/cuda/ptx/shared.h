// The shared memory of a block, whose size the launch gives. Device code.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qe::kernels::cuda {

__device__ __forceinline__ std::byte* dynamic_shared() {
  extern __shared__ __align__(1024) std::byte dynamic[];
  return dynamic;
}

// As the instructions of this folder name it.
__device__ __forceinline__ std::uint32_t shared_address(const void* pointer) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

}  // namespace qe::kernels::cuda
