// The executor of a GPU's plan behind the public interface.
#include <qe/cuda/session.h>

#include <utility>

#include <qe/error.h>

#include "engine/backends/cuda/executor.h"
#include "engine/runtime/batch.h"

namespace qe::cuda {
namespace {

const GpuProgram& gpu_program(const Plan& plan) {
  const auto* const program = dynamic_cast<const GpuProgram*>(plan.impl().program.get());
  if (program == nullptr) {
    throw UsageError({.problem = "the plan is not for a GPU",
                      .name = "plan",
                      .expected = "one compiled with a CUDA device",
                      .actual = name(plan.device())});
  }
  return *program;
}

}  // namespace

struct Session::Impl {
  Impl(std::shared_ptr<const Plan> p, const GpuOptions& options)
      : plan(std::move(p)), executor(gpu_program(*plan), options), texts(plan->max_tokens()) {}

  std::shared_ptr<const Plan> plan;
  GpuExecutor executor;
  BatchInputs texts;
};

Session::Session(std::shared_ptr<const Plan> plan, const GpuOptions& options)
    : impl_(std::make_unique<Impl>(std::move(plan), options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::span<const float> Session::enqueue(const TextBatch& batch, Stream stream) {
  check_batch(impl_->plan->impl(), batch);
  return impl_->executor.enqueue(impl_->texts.of(batch), stream);
}

void Session::wait() { impl_->executor.wait(); }

const Plan& Session::plan() const { return *impl_->plan; }

}  // namespace qe::cuda
