// The order in which blocks of a GPU see each other's memory. Device code.
#pragma once

namespace qe::kernels::cuda {

// Between what this thread, and those it has met, did before and what it does next, for the whole
// GPU. __threadfence() is sequentially consistent, which costs more and is not needed.
__device__ __forceinline__ void fence_device() { asm volatile("fence.acq_rel.gpu;" ::: "memory"); }

// A word that other blocks write, without any order to other accesses: fences give it that.
__device__ __forceinline__ unsigned int load_relaxed(const unsigned int* word) {
  unsigned int value;
  asm volatile("ld.relaxed.gpu.u32 %0, [%1];" : "=r"(value) : "l"(word) : "memory");
  return value;
}
__device__ __forceinline__ void store_relaxed(unsigned int* word, unsigned int value) {
  asm volatile("st.relaxed.gpu.u32 [%0], %1;" ::"l"(word), "r"(value) : "memory");
}
// Until another block has made something else of *word than `value`.
__device__ __forceinline__ void wait_while(const unsigned int* word, unsigned int value) {
  while (load_relaxed(word) == value) {
  }
}

}  // namespace qe::kernels::cuda
