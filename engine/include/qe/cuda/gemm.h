// The integer matrix product on a GPU, in the caller's memory and on the caller's stream.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include <qe/cuda/device.h>
#include <qe/gemm_operands.h>

namespace qe::cuda {

// Which kernel computes a product, and how many blocks share the depth of a tile. Results are the
// same bits whatever it is.
struct GemmKernel {
  int index = 0;
  int splits = 1;
};

class Gemm {
 public:
  // Allocates the memory in which shared depths are added up: some 64 KB a multiprocessor. Throws
  // UsageError (no such device), DeviceError, ResourceError with the needed and the free bytes.
  explicit Gemm(int device);
  ~Gemm();
  Gemm(Gemm&&) noexcept;
  Gemm& operator=(Gemm&&) noexcept;

  // Enqueues the product in `stream`, a stream of this object's device; every pointer is memory
  // that device can read. Calls whose streams do not wait for each other need an object each, as
  // they would share its memory. Beyond <qe/gemm_operands.h>: rows of activations, weights,
  // residual and result begin at multiples of 16 bytes, arrays of columns at multiples of 8.
  // Throws UsageError for arguments that contradict this, DeviceError if the launch fails.
  void run(const GemmWeights& weights, const GemmOperands& operands, Stream stream);

  // The same with a kernel of the caller's choice, one of kernels().
  void run(const GemmWeights& weights, const GemmOperands& operands, Stream stream,
           GemmKernel kernel);

  // The one that run() takes for m rows, n columns and depth k; and all that can compute it here.
  GemmKernel chosen(int m, int n, int k) const;
  std::vector<GemmKernel> kernels(int m, int n, int k) const;

  const Device& device() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// "wgmma 128x256"; "" for an index that names none.
std::string_view kernel_name(int index) noexcept;

}  // namespace qe::cuda
