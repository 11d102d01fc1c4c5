// Families of kernels by compute capability.
#include "engine/backends/cuda/product.h"

#include <qe/error.h>

#include "engine/backends/cuda/runtime.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/row_bytes_plan.h"

namespace qe::cuda {
namespace {

using kernels::cuda::Choice;
using kernels::cuda::Family;
using kernels::cuda::kKernelCount;
using kernels::cuda::kKernels;

// The driver's function that describes a matrix to the copy engine.
void* tensor_map_encoder() {
  constexpr unsigned kSince = 12000;
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, kSince,
                                         cudaEnableDefault, &found),
        "finding the driver's tensor map function");
  if (found != cudaDriverEntryPointSuccess) {
    throw DeviceError({.problem = "the NVIDIA driver has no tensor maps"});
  }
  return function;
}

}  // namespace

// Instructions and copies of exactly this compute capability.
ProductKernels::ProductKernels(const Device& device) : multiprocessors_(device.multiprocessors) {
  const DeviceScope scope(device.index);
  check(static_cast<cudaError_t>(kernels::cuda::prepare_mma()), "loading kernels");
  const bool has_wgmma = device.major == 9 && device.minor == 0;
  if (has_wgmma) {
    check(static_cast<cudaError_t>(kernels::cuda::prepare_wgmma()), "loading kernels");
    encoder_ = tensor_map_encoder();
  }
  for (int kernel = 0; kernel < kKernelCount; ++kernel) {
    int& blocks = resident_[static_cast<std::size_t>(kernel)];
    if (kKernels[kernel].family == Family::kMma) {
      blocks = multiprocessors_;
    } else if (has_wgmma) {
      blocks = kernels::cuda::resident_wgmma(kernel, multiprocessors_);
    }
  }
}

Choice ProductKernels::choose(int m, int n, int k) const {
  return kernels::cuda::choose_kernel(m, n, k, multiprocessors_, resident_);
}

std::optional<Choice> ProductKernels::choose_row_bytes(int m, int n, int k) const {
  return kernels::cuda::choose_row_bytes_kernel(m, n, k, multiprocessors_, resident_);
}

bool ProductKernels::makes_row_bytes(int kernel, int n) const {
  const int resident = resident_[static_cast<std::size_t>(kernel)];
  return resident > 0 && kernels::cuda::can_meet(kKernels[kernel], n, resident);
}

bool ProductKernels::valid(Choice choice, int m, int n, int k) const {
  return choice.kernel >= 0 && choice.kernel < kKernelCount &&
         resident_[static_cast<std::size_t>(choice.kernel)] > 0 &&
         kernels::cuda::valid_splits(kKernels[choice.kernel], m, n, k, choice.splits,
                                     multiprocessors_);
}

std::size_t ProductKernels::scratch_bytes() const {
  return kernels::cuda::partial_bytes(multiprocessors_) +
         kernels::cuda::arrival_bytes(multiprocessors_);
}

int ProductKernels::launch(const GemmOperands& operands, const GemmWeights& weights,
                           const std::int32_t* rows, Choice choice, std::byte* scratch,
                           kernels::cuda::LaunchStream stream, kernels::cuda::ByteHeads heads,
                           const kernels::cuda::RowBytes& row_bytes) const noexcept {
  std::byte* const arrivals = scratch + kernels::cuda::partial_bytes(multiprocessors_);
  const kernels::cuda::Launch launch{
      .product = {.x = operands,
                  .w = weights,
                  .rows = rows,
                  .splits = choice.splits,
                  .partials = reinterpret_cast<int*>(scratch),
                  .arrivals = reinterpret_cast<unsigned int*>(arrivals),
                  .heads = heads,
                  .row_bytes = row_bytes},
      .kernel = choice.kernel,
      .resident = resident_[static_cast<std::size_t>(choice.kernel)],
      .stream = stream,
      .encode_tensor_map = encoder_};
  return kKernels[choice.kernel].family == Family::kWgmma ? kernels::cuda::launch_wgmma(launch)
                                                          : kernels::cuda::launch_mma(launch);
}

}  // namespace qe::cuda
