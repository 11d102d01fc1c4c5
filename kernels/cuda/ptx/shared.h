// The shared memory of a block, whose size the launch gives, and hints. Device code.
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

// What stands behind a condition stays behind a jump: the compiler may not compute both sides and
// choose.
__device__ __forceinline__ void keep_branch() { asm volatile(""); }
// A pointer to the GPU's memory as a whole: constants added to it stay constants of the accesses,
// where the compiler would rather keep a register for each of many sums with a part of it.
template <class T>
__device__ __forceinline__ T* whole_pointer(T* pointer) {
  std::size_t address = __cvta_generic_to_global(pointer);
  asm volatile("" : "+l"(address));
  return static_cast<T*>(__cvta_global_to_generic(address));
}

}  // namespace qe::kernels::cuda
