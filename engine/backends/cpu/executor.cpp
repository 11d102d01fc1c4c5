// Runs a program: the team does step after step on block after block of rows, each step in parts.
#include <algorithm>
#include <vector>

#include "engine/backends/cpu/program.h"
#include "engine/backends/cpu/split.h"
#include "engine/runtime/aligned_buffer.h"
#include "engine/runtime/thread_pool.h"

#include <qe/error.h>

namespace qe::cpu {
namespace {

static_assert(kBlockRows % kRowUnit == 0, "a block must not exceed its buffers");

int check_threads(int threads) {
  if (threads >= 1 && threads <= 1024) return threads;
  throw UsageError({.problem = "thread count out of range",
                    .name = "threads",
                    .expected = "1 to 1024",
                    .actual = std::to_string(threads)});
}

class CpuExecutor : public Executor {
 public:
  CpuExecutor(const CpuProgram& program, const SessionOptions& options)
      : program_(program),
        library_threads_(program.library_team ? check_threads(options.threads) : 1),
        pool_(program.library_team ? 1 : check_threads(options.threads), options.pin_threads),
        arena_(program.arena_bytes, "arena"),
        scratch_stride_((program.scratch_bytes + 63) / 64 * 64),
        scratch_(scratch_stride_ * static_cast<std::size_t>(pool_.size()), "attention scratch") {
    plan_phases(program.max_tokens, program.max_sequences);  // allocates for every run
  }

  void run(const RunInputs& inputs, std::span<float> logits,
           const Session::Observer& observer) override {
    plan_phases(inputs.tokens, inputs.sequences);
    if (observer) {
      for (const Phase& phase : phases_) {
        run_part(phase, inputs, 0, 1);
        observe(phase, inputs, observer);
      }
    } else {
      pool_.run(static_cast<int>(phases_.size()), [&](int phase, int part) noexcept {
        run_part(phases_[static_cast<std::size_t>(phase)], inputs, part, pool_.size());
      });
    }
    const int labels = program_.label_count;
    for (int s = 0; s < inputs.sequences; ++s) {
      const auto* const row = reinterpret_cast<const float*>(
          arena_.data() + program_.logits.offset + s * program_.logits.row_bytes);
      std::copy(row, row + labels, logits.begin() + static_cast<std::ptrdiff_t>(s) * labels);
    }
  }

 private:
  // One step on one block of rows: what the team does before it goes on.
  struct Phase {
    const StepGroup* group;
    int step;
    Part rows;
    bool again;  // another block of the group follows
  };

  void plan_phases(int tokens, int sequences);
  StepContext context_of(const Phase& phase, const RunInputs& inputs, int part, int parts) const;
  void run_part(const Phase& phase, const RunInputs& inputs, int part, int parts) const noexcept;
  std::span<const std::int8_t> next_weights(const Phase& phase, const StepContext& context) const;
  void observe(const Phase& phase, const RunInputs& inputs,
               const Session::Observer& observer) const;

  const CpuProgram& program_;
  int library_threads_;
  ThreadPool pool_;
  AlignedBuffer arena_;
  std::size_t scratch_stride_;
  AlignedBuffer scratch_;
  std::vector<Phase> phases_;  // of the run
};

// Blocks of about equal size: a last block of few rows would waste a pass over the weights.
void CpuExecutor::plan_phases(int tokens, int sequences) {
  phases_.clear();
  for (const StepGroup& group : program_.groups) {
    const int rows = group.rows == kSequences ? sequences : tokens;
    const int blocks = group.blocked ? (rows + kBlockRows - 1) / kBlockRows : 1;
    for (int block = 0; block < blocks; ++block) {
      const Part part = split(rows, blocks, block, kRowUnit);
      for (int step = group.first; step <= group.last; ++step) {
        phases_.push_back({&group, step, part, block + 1 < blocks});
      }
    }
  }
}

StepContext CpuExecutor::context_of(const Phase& phase, const RunInputs& inputs, int part,
                                    int parts) const {
  return {.inputs = inputs,
          .table = *program_.table,
          .arena = arena_.data(),
          .scratch = scratch_.data() + static_cast<std::size_t>(part) * scratch_stride_,
          .part = part,
          .parts = parts,
          .library_threads = library_threads_,
          .row_begin = phase.rows.begin,
          .row_end = phase.rows.end,
          .next_weights = {}};
}

void CpuExecutor::run_part(const Phase& phase, const RunInputs& inputs, int part,
                           int parts) const noexcept {
  const Step& step = *program_.steps[static_cast<std::size_t>(phase.step)];
  StepContext context = context_of(phase, inputs, part, parts);
  if (!step.weights(context).empty()) context.next_weights = next_weights(phase, context);
  step.run(context);
}

// Of the next step that has any. Where that step is of another group its rows are guessed: only
// speed depends on them.
std::span<const std::int8_t> CpuExecutor::next_weights(const Phase& phase,
                                                       const StepContext& context) const {
  const auto first_of = [&](int begin, int end) -> std::span<const std::int8_t> {
    for (int i = begin; i < end; ++i) {
      const auto weights = program_.steps[static_cast<std::size_t>(i)]->weights(context);
      if (!weights.empty()) return weights;
    }
    return {};
  };
  if (!phase.again) return first_of(phase.step + 1, static_cast<int>(program_.steps.size()));
  const auto later = first_of(phase.step + 1, phase.group->last + 1);
  return later.empty() ? first_of(phase.group->first, phase.step) : later;
}

void CpuExecutor::observe(const Phase& phase, const RunInputs& inputs,
                          const Session::Observer& observer) const {
  const CpuProgram::Tap& tap = program_.taps[static_cast<std::size_t>(phase.step)];
  if (tap.cols == 0) return;
  const StepContext context = context_of(phase, inputs, 0, 1);
  std::vector<float> data;
  data.reserve(static_cast<std::size_t>(context.rows()) * static_cast<std::size_t>(tap.cols));
  for (int r = phase.rows.begin; r < phase.rows.end; ++r) {
    const float* const row = tap.buffer.at<float>(context, r);
    data.insert(data.end(), row, row + tap.cols);
  }
  observer(tap.value, data, context.rows(), tap.cols);
}

}  // namespace

std::unique_ptr<Executor> CpuProgram::make_executor(const SessionOptions& options) const {
  return std::make_unique<CpuExecutor>(*this, options);
}

}  // namespace qe::cpu
