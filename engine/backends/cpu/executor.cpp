// Runs a program: every thread walks the same groups, blocks and steps, each doing its part, with a
// barrier after every step.
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
        scratch_(scratch_stride_ * static_cast<std::size_t>(pool_.size()), "attention scratch") {}

  void run(const RunInputs& inputs, std::span<float> logits,
           const Session::Observer& observer) override {
    if (observer) {
      run_groups(inputs, 0, 1, &observer);
    } else {
      pool_.run([&](int thread) noexcept { run_groups(inputs, thread, pool_.size(), nullptr); });
    }
    const int labels = program_.label_count;
    for (int s = 0; s < inputs.sequences; ++s) {
      const auto* const row = reinterpret_cast<const float*>(
          arena_.data() + program_.logits.offset + s * program_.logits.row_bytes);
      std::copy(row, row + labels, logits.begin() + static_cast<std::ptrdiff_t>(s) * labels);
    }
  }

 private:
  void run_groups(const RunInputs& inputs, int thread, int threads,
                  const Session::Observer* observer);
  void run_block(const StepGroup& group, StepContext& context, bool again,
                 const Session::Observer* observer);
  std::span<const std::int8_t> next_weights(const StepGroup& group, int step, bool again,
                                            const StepContext& context) const;
  void observe(std::size_t step, const StepContext& context, const Session::Observer& observer);

  const CpuProgram& program_;
  int library_threads_;
  ThreadPool pool_;
  AlignedBuffer arena_;
  std::size_t scratch_stride_;
  AlignedBuffer scratch_;
};

void CpuExecutor::observe(std::size_t step, const StepContext& context,
                          const Session::Observer& observer) {
  const CpuProgram::Tap& tap = program_.taps[step];
  if (tap.cols == 0) return;
  const int rows = context.rows();
  std::vector<float> data;
  data.reserve(static_cast<std::size_t>(rows) * static_cast<std::size_t>(tap.cols));
  for (int r = context.row_begin; r < context.row_end; ++r) {
    const float* const row = tap.buffer.at<float>(context, r);
    data.insert(data.end(), row, row + tap.cols);
  }
  observer(tap.value, data, rows, tap.cols);
}

// Of the next step that has any; `again`: the group runs once more. Where that step is of another
// group its rows are guessed: only speed depends on them.
std::span<const std::int8_t> CpuExecutor::next_weights(const StepGroup& group, int step, bool again,
                                                       const StepContext& context) const {
  const auto first_of = [&](int begin, int end) -> std::span<const std::int8_t> {
    for (int i = begin; i < end; ++i) {
      const auto weights = program_.steps[static_cast<std::size_t>(i)]->weights(context);
      if (!weights.empty()) return weights;
    }
    return {};
  };
  if (!again) return first_of(step + 1, static_cast<int>(program_.steps.size()));
  const auto later = first_of(step + 1, group.last + 1);
  return later.empty() ? first_of(group.first, step) : later;
}

// `again`: another block of the group follows.
void CpuExecutor::run_block(const StepGroup& group, StepContext& context, bool again,
                            const Session::Observer* observer) {
  for (int i = group.first; i <= group.last; ++i) {
    const auto step = static_cast<std::size_t>(i);
    if (!program_.steps[step]->weights(context).empty()) {
      context.next_weights = next_weights(group, i, again, context);
    }
    program_.steps[step]->run(context);
    if (context.threads > 1) pool_.barrier();
    if (observer != nullptr) observe(step, context, *observer);
  }
}

void CpuExecutor::run_groups(const RunInputs& inputs, int thread, int threads,
                             const Session::Observer* observer) {
  StepContext context{
      .inputs = inputs,
      .table = *program_.table,
      .arena = arena_.data(),
      .scratch = scratch_.data() + static_cast<std::size_t>(thread) * scratch_stride_,
      .thread = thread,
      .threads = threads,
      .library_threads = library_threads_,
      .row_begin = 0,
      .row_end = 0,
      .next_weights = {}};
  for (const StepGroup& group : program_.groups) {
    const int rows = group.rows == kSequences ? inputs.sequences : inputs.tokens;
    const int blocks = group.blocked ? (rows + kBlockRows - 1) / kBlockRows : 1;
    for (int block = 0; block < blocks; ++block) {
      // Blocks of about equal size: a last block of few rows would waste a pass over the weights.
      const Part part = split(rows, blocks, block, kRowUnit);
      context.row_begin = part.begin;
      context.row_end = part.end;
      run_block(group, context, block + 1 < blocks, observer);
    }
  }
}

}  // namespace

std::unique_ptr<Executor> CpuProgram::make_executor(const SessionOptions& options) const {
  return std::make_unique<CpuExecutor>(*this, options);
}

}  // namespace qe::cpu
