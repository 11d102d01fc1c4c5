// The order in which blocks of a GPU see each other's memory. Device code.
#pragma once

namespace qe::kernels::cuda {

// Between what this thread, and those it has met, did before and what it does next, for the whole
// GPU. __threadfence() is sequentially consistent, which costs more and is not needed.
__device__ __forceinline__ void fence_device() {
  asm volatile("fence.acq_rel.gpu;" ::: "memory");
}

}  // namespace qe::kernels::cuda
