// The order of the launches in a stream, for those that may begin before the one before them has
// ended (docs/decisions/0019-launches-that-overlap.md). In an ordinary launch neither function
// waits or allows anything; compiled for less than compute capability 9.0 they are empty. Device
// code.
#pragma once

namespace qe::kernels::cuda {

// Until all launches before this one have ended and what they wrote is to be seen. Every thread
// calls it, also one that finds nothing to do, before it touches memory that another launch reads
// or writes; only constants may be read earlier. A launch that ended without it could end before
// the launch before it, of which the next one would then know nothing. What another launch wrote is
// not read by __ldg(), which the compiler may move up across this.
__device__ __forceinline__ void wait_for_launches_before() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

// The next launch may begin once all blocks have come here or ended. Called right after the wait:
// - All blocks have a multiprocessor by then, so those of the next launch, which hold shared memory
//   and registers while they wait, take them from no block or cluster of this one.
// - Two launches are under way at most. When the third begins the first has ended, as after an
//   ordinary launch; the third's own wait is for the second alone.
__device__ __forceinline__ void allow_next_launch() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

}  // namespace qe::kernels::cuda
