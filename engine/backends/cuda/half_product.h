// Products of halves by cuBLASLt on one device. Sums are floats; in what order they are added is
// the library's choice.
#pragma once

#include <cstddef>
#include <memory>

#include <qe/cuda/device.h>

#include "engine/backends/cuda/cublaslt_library.h"
#include "kernels/cuda/half.h"

namespace qe::cuda {

// y[m][n] = x[m][k] w[n][k]^T + bias[n], then either + residual[m][n] or ReLU. `bias`, `residual`
// and `y` are halves or, with float_out, floats; null: none. Rows of x, residual and y begin at
// multiples of kAlignment bytes, those of w at multiples of 16. All m rows are computed.
struct HalfProduct {
  static constexpr int kAlignment = 64;

  int m = 0, n = 0, k = 0;
  const kernels::cuda::Half* x = nullptr;
  std::ptrdiff_t ldx = 0;  // elements, as all strides
  const kernels::cuda::Half* w = nullptr;
  std::ptrdiff_t ldw = 0;
  const void* bias = nullptr;
  bool relu = false;
  const void* residual = nullptr;
  std::ptrdiff_t ld_residual = 0;
  void* y = nullptr;
  std::ptrdiff_t ldy = 0;
  bool float_out = false;
};

class HalfProducts {
 public:
  // Throws DeviceError: the library is missing or does not run on the device.
  explicit HalfProducts(const Device& device);

  // GPU memory that a product may use while it runs. Streams that do not wait for each other need
  // one each.
  static constexpr std::size_t workspace_bytes() { return std::size_t{32} << 20; }

  // By the algorithm that the library thinks fastest. The device must be current. See
  // check_launch().
  int launch(const HalfProduct& product, std::byte* workspace, Stream stream) const noexcept;

 private:
  CublasLt library_;
  std::shared_ptr<cublasLtContext> handle_;
};

}  // namespace qe::cuda
