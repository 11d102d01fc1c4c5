// The product's kernels on one device: which of them run there, the choice among them, the launch.
// Checks nothing; allocates nothing but what loading kernels takes.
#pragma once

#include <cstddef>
#include <optional>

#include <qe/cuda/device.h>

#include "kernels/cuda/kernel_list.h"
#include "kernels/cuda/launch_stream.h"
#include "kernels/cuda/product.h"

namespace qe::cuda {

class ProductKernels {
 public:
  // Loads them. Throws DeviceError.
  explicit ProductKernels(const Device& device);

  kernels::cuda::Choice choose(int m, int n, int k) const;
  // How bytes of whole rows are made where they are computed (RowBytes); nothing where no kernel
  // can.
  std::optional<kernels::cuda::Choice> choose_row_bytes(int m, int n, int k) const;
  bool makes_row_bytes(int kernel, int n) const;
  bool valid(kernels::cuda::Choice choice, int m, int n, int k) const;

  // GPU memory in which blocks add up the depths they share, zeroed before its first use. Streams
  // that do not wait for each other need one each.
  std::size_t scratch_bytes() const;

  // `rows`: in the GPU's memory, how many of the operands' m rows there are; null: all. Of a result
  // of floats, `heads` or `row_bytes` may say what leaves as bytes, the latter with a choice of
  // choose_row_bytes() alone. The device must be current. A cudaError_t.
  int launch(const GemmOperands& operands, const GemmWeights& weights, const std::int32_t* rows,
             kernels::cuda::Choice choice, std::byte* scratch, kernels::cuda::LaunchStream stream,
             kernels::cuda::ByteHeads heads = {},
             const kernels::cuda::RowBytes& row_bytes = {}) const noexcept;

 private:
  int multiprocessors_;
  kernels::cuda::ResidentBlocks resident_{};
  void* encoder_ = nullptr;
};

}  // namespace qe::cuda
