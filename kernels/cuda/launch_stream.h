// Where kernels are launched. Plain C++, without any header of CUDA.
#pragma once

struct CUstream_st;

namespace qe::kernels::cuda {

// A stream, null for the default one. Where `overlaps`, a launch may begin before the kernel ahead
// of it in the stream has ended, and waits for that itself (ptx/launch_order.h): there must be a
// kernel ahead, and the GPU must run code that waits (waits_for_launches(), rows.h).
struct LaunchStream {
  CUstream_st* handle = nullptr;
  bool overlaps = false;

  LaunchStream() = default;
  LaunchStream(CUstream_st* stream, bool overlapping = false)  // from a stream alone, too
      : handle(stream), overlaps(overlapping) {}
};

}  // namespace qe::kernels::cuda
