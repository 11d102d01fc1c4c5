// Shared memory of the emulated block.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/cuda/simt/grid.h"

namespace qe::kernels::cuda {

inline std::byte* dynamic_shared() { return simt::shared_memory(); }
inline std::uint32_t shared_address(const void* pointer) {
  return simt::shared_address_of(pointer);
}

inline void keep_branch() {}
template <class T>
T* whole_pointer(T* pointer) {
  return pointer;
}

}  // namespace qe::kernels::cuda
