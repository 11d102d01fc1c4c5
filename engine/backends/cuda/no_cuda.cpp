// Stands in for CUDA in a build without it: everything that needs a GPU says so.
#include <qe/cuda/device.h>
#include <qe/cuda/gemm.h>
#include <qe/cuda/session.h>
#include <qe/error.h>

#include "engine/backends/cuda/program.h"

namespace qe::cuda {
namespace {

[[noreturn]] void refuse() {
  throw DeviceError({.problem = "this build has no GPU support (QE_CUDA is off)"});
}

}  // namespace

bool built() noexcept { return false; }
std::vector<Device> devices() { refuse(); }
Device usable_device(int) { refuse(); }
void synchronize(Stream) { refuse(); }
void reset_device(int) { refuse(); }
Compiled compile_program(const ProgramInput&) { refuse(); }

struct Gemm::Impl {
  Device device;
};

Gemm::Gemm(int) { refuse(); }
Gemm::~Gemm() = default;
Gemm::Gemm(Gemm&&) noexcept = default;
Gemm& Gemm::operator=(Gemm&&) noexcept = default;
void Gemm::run(const GemmWeights&, const GemmOperands&, Stream) { refuse(); }
void Gemm::run(const GemmWeights&, const GemmOperands&, Stream, GemmKernel) { refuse(); }
GemmKernel Gemm::chosen(int, int, int) const { refuse(); }
std::vector<GemmKernel> Gemm::kernels(int, int, int) const { refuse(); }
const Device& Gemm::device() const noexcept { return impl_->device; }

std::string_view kernel_name(int) noexcept { return {}; }

struct Session::Impl {
  std::shared_ptr<const qe::Plan> plan;
};

// NOLINTNEXTLINE(performance-unnecessary-value-param): the signature of the real one
Session::Session(std::shared_ptr<const Plan>, const GpuOptions&) { refuse(); }
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
std::span<const float> Session::enqueue(const TextBatch&, Stream) { refuse(); }
void Session::wait() { refuse(); }
const Plan& Session::plan() const { return *impl_->plan; }

}  // namespace qe::cuda
