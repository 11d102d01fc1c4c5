// Stands in for the GPU in a build without CUDA.
#include <qe/cuda/device.h>

#include "tools/bench/gemm/device.h"

namespace qe::tools {

std::unique_ptr<GemmDevice> cuda_gemm_device(int index, const GemmOptions&) {
  cuda::usable_device(index);  // throws what the library says of such a build
  return nullptr;
}

}  // namespace qe::tools
