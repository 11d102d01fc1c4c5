// A session on a GPU with options that the public interface does not have.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include <qe/gpu_options.h>

#include "engine/backends/cuda/executor.h"
#include "engine/runtime/batch.h"
#include "tests/cuda/session_support.h"

namespace qe::test {

class GpuRunner {
 public:
  GpuRunner(std::shared_ptr<const Plan> plan, const GpuOptions& options)
      : plan_(std::move(plan)),
        texts_(plan_->max_tokens()),
        executor_(dynamic_cast<const cuda::GpuProgram&>(*plan_->impl().program), options) {}

  std::vector<float> run(const TinyBatch& batch) {
    const auto labels = static_cast<std::size_t>(plan_->label_count());
    std::vector<float> logits((batch.offsets.size() - 1) * labels);
    executor_.run(texts_.of(view(batch)), logits, {});
    return logits;
  }
  const cuda::GpuExecutor& executor() const { return executor_; }

 private:
  std::shared_ptr<const Plan> plan_;
  BatchInputs texts_;
  cuda::GpuExecutor executor_;
};

}  // namespace qe::test
