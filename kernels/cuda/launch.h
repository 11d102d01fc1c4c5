// The kernels as ordinary functions, without any header of CUDA. They check nothing, allocate
// nothing and wait for nothing; the result is a cudaError_t, 0 for success.
#pragma once

#include "kernels/cuda/kernel_list.h"
#include "kernels/cuda/launch_stream.h"
#include "kernels/cuda/product.h"

namespace qe::kernels::cuda {

struct Launch {
  Product product;
  int kernel;    // of kKernels
  int resident;  // blocks of it that the GPU holds at once
  LaunchStream stream;
  void* encode_tensor_map;  // the driver's cuTensorMapEncodeTiled, for Family::kWgmma
};

// Lets the kernels of a family use all the shared memory they need on the current device, and so
// finds out whether it can run them. Once a device, before the first launch.
int prepare_mma() noexcept;
int prepare_wgmma() noexcept;

// How many blocks of a kernel of Family::kWgmma the current device, which has so many
// multiprocessors, holds at once: those of a cluster lie in one part of the GPU, so some of it may
// stay empty. 0 where it cannot run the kernel.
int resident_wgmma(int kernel, int multiprocessors) noexcept;

int launch_mma(const Launch& launch) noexcept;
int launch_wgmma(const Launch& launch) noexcept;

}  // namespace qe::kernels::cuda
