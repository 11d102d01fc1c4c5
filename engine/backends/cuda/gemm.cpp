// The product on a GPU: checks, the choice of a kernel, the memory it shares depths in, the launch.
#include <qe/cuda/gemm.h>

#include <string>
#include <utility>

#include <qe/error.h>

#include "engine/backends/cuda/device_checks.h"
#include "engine/backends/cuda/runtime.h"
#include "engine/backends/gemm_checks.h"
#include "kernels/cuda/launch.h"

namespace qe::cuda {
namespace {

using kernels::cuda::Choice;
using kernels::cuda::Family;
using kernels::cuda::KernelShape;
using kernels::cuda::kKernelCount;
using kernels::cuda::kKernels;

// GPU memory of a Gemm, zeroed. Says what is missing before it allocates.
class Workspace {
 public:
  Workspace(const Device& device, std::size_t bytes) : device_(device.index) {
    const DeviceScope scope(device_);
    check_memory(bytes, device.free_bytes, "partial sums of a matrix product");
    check(cudaMalloc(&memory_, bytes), "allocating memory");
    check(cudaMemset(memory_, 0, bytes), "clearing memory");
  }
  ~Workspace() {
    int previous = 0;
    if (cudaGetDevice(&previous) != cudaSuccess || cudaSetDevice(device_) != cudaSuccess) return;
    static_cast<void>(cudaFree(memory_));
    static_cast<void>(cudaSetDevice(previous));
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;

  std::byte* data() const { return static_cast<std::byte*>(memory_); }

 private:
  int device_;
  void* memory_ = nullptr;
};

// Instructions and copies of exactly this compute capability.
bool has_wgmma(const Device& device) { return device.major == 9 && device.minor == 0; }

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

struct Gemm::Impl {
  explicit Impl(int index)
      : device(usable_device(index)),
        workspace(device, kernels::cuda::partial_bytes(device.multiprocessors) +
                              kernels::cuda::arrival_bytes(device.multiprocessors)) {
    const DeviceScope scope(index);
    check(static_cast<cudaError_t>(kernels::cuda::prepare_mma()), "loading kernels");
    if (has_wgmma(device)) {
      check(static_cast<cudaError_t>(kernels::cuda::prepare_wgmma()), "loading kernels");
      encoder = tensor_map_encoder();
    }
  }

  bool runs(const KernelShape& shape) const {
    return shape.family == Family::kMma || has_wgmma(device);
  }

  void check_kernel(GemmKernel kernel, int m, int n, int k) const {
    const bool right = kernel.index >= 0 && kernel.index < kKernelCount &&
                       runs(kKernels[kernel.index]) &&
                       kernels::cuda::valid_splits(kKernels[kernel.index], m, n, k, kernel.splits,
                                                   device.multiprocessors);
    if (right) return;
    throw UsageError({.problem = "cannot compute this product on this GPU",
                      .name = "kernel",
                      .actual = std::to_string(kernel.index) + " with " +
                                std::to_string(kernel.splits) + " splits"});
  }

  void launch(const GemmWeights& weights, const GemmOperands& operands, Stream stream,
              GemmKernel kernel) const {
    std::byte* arrivals = workspace.data() + kernels::cuda::partial_bytes(device.multiprocessors);
    const kernels::cuda::Launch launch{
        .product = {.x = operands,
                    .w = weights,
                    .rows = nullptr,
                    .splits = kernel.splits,
                    .partials = reinterpret_cast<int*>(workspace.data()),
                    .arrivals = reinterpret_cast<unsigned int*>(arrivals)},
        .kernel = kernel.index,
        .multiprocessors = device.multiprocessors,
        .stream = stream,
        .encode_tensor_map = encoder};
    const DeviceScope scope(device.index);
    const int error = kKernels[kernel.index].family == Family::kWgmma
                          ? kernels::cuda::launch_wgmma(launch)
                          : kernels::cuda::launch_mma(launch);
    check(static_cast<cudaError_t>(error), "launching a matrix product");
  }

  Device device;
  Workspace workspace;
  void* encoder = nullptr;
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
  impl_->check_kernel(kernel, operands.m, weights.n, weights.k);
  impl_->launch(weights, operands, stream, kernel);
}

GemmKernel Gemm::chosen(int m, int n, int k) const {
  const Choice choice = kernels::cuda::choose_kernel(m, n, k, impl_->device.multiprocessors,
                                                     has_wgmma(impl_->device));
  return {choice.kernel, choice.splits};
}

std::vector<GemmKernel> Gemm::kernels(int m, int n, int k) const {
  std::vector<GemmKernel> all;
  for (int index = 0; index < kKernelCount; ++index) {
    if (!impl_->runs(kKernels[index])) continue;
    for (int splits = 1; splits <= kernels::cuda::kMostSplits; ++splits) {
      if (kernels::cuda::valid_splits(kKernels[index], m, n, k, splits,
                                      impl_->device.multiprocessors)) {
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
