// The product on a GPU as a class of its own: checks, the memory it shares depths in, the launch.
#include <qe/cuda/gemm.h>

#include <string>
#include <utility>

#include <qe/error.h>

#include "engine/backends/cuda/memory.h"
#include "engine/backends/cuda/product.h"
#include "engine/backends/cuda/runtime.h"
#include "engine/backends/gemm_checks.h"

namespace qe::cuda {
namespace {

using kernels::cuda::Choice;
using kernels::cuda::kKernelCount;
using kernels::cuda::kKernels;

}  // namespace

struct Gemm::Impl {
  explicit Impl(int index)
      : device(usable_device(index)),
        kernels(device),
        scratch(
            allocate_zeroed(index, kernels.scratch_bytes(), "partial sums of a matrix product")) {}

  Device device;
  ProductKernels kernels;
  DeviceMemory scratch;
};

Gemm::Gemm(int device) : impl_(std::make_unique<Impl>(device)) {}
Gemm::~Gemm() = default;
Gemm::Gemm(Gemm&&) noexcept = default;
Gemm& Gemm::operator=(Gemm&&) noexcept = default;

void Gemm::run(const GemmWeights& weights, const GemmOperands& operands, Stream stream) {
  run(weights, operands, stream, chosen(operands.m, weights.n, weights.k));
}

void Gemm::run(const GemmWeights& weights, const GemmOperands& operands, Stream stream,
               GemmKernel kernel) {
  check_operands(weights, operands);
  check_alignment(weights, operands);
  if (operands.m == 0) return;
  const Choice choice{.kernel = kernel.index, .splits = kernel.splits};
  if (!impl_->kernels.valid(choice, operands.m, weights.n, weights.k)) {
    throw UsageError({.problem = "cannot compute this product on this GPU",
                      .name = "kernel",
                      .actual = std::to_string(kernel.index) + " with " +
                                std::to_string(kernel.splits) + " splits"});
  }
  const DeviceScope scope(impl_->device.index);
  const int error =
      impl_->kernels.launch(operands, weights, nullptr, choice, impl_->scratch.get(), stream);
  check(static_cast<cudaError_t>(error), "launching a matrix product");
}

GemmKernel Gemm::chosen(int m, int n, int k) const {
  const Choice choice = impl_->kernels.choose(m, n, k);
  return {choice.kernel, choice.splits};
}

std::vector<GemmKernel> Gemm::kernels(int m, int n, int k) const {
  std::vector<GemmKernel> all;
  for (int index = 0; index < kKernelCount; ++index) {
    for (int splits = 1; splits <= kernels::cuda::kMostSplits; ++splits) {
      if (impl_->kernels.valid({.kernel = index, .splits = splits}, m, n, k)) {
        all.push_back({index, splits});
      }
    }
  }
  return all;
}

const Device& Gemm::device() const noexcept { return impl_->device; }

std::string_view kernel_name(int index) noexcept {
  return index >= 0 && index < kKernelCount ? kKernels[index].name : std::string_view{};
}

}  // namespace qe::cuda
