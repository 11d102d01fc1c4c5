// The kernels as ordinary functions, without any header of CUDA. They check nothing, allocate
// nothing and wait for nothing; the result is a cudaError_t, 0 for success.
#pragma once

#include "kernels/cuda/kernel_list.h"
#include "kernels/cuda/launch_stream.h"
#include "kernels/cuda/product.h"

namespace qe::kernels::cuda {

struct Launch {
  Product product;
  int kernel;  // of kKernels
  int multiprocessors;
  LaunchStream stream;
  void* encode_tensor_map;  // the driver's cuTensorMapEncodeTiled, for Family::kWgmma
};

// Lets the kernels of a family use all the shared memory they need on the current device, and so
// finds out whether it can run them. Once a device, before the first launch.
int prepare_mma() noexcept;
int prepare_wgmma() noexcept;

int launch_mma(const Launch& launch) noexcept;
int launch_wgmma(const Launch& launch) noexcept;

}  // namespace qe::kernels::cuda
