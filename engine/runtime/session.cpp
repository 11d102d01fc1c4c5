// Runs a plan: every thread walks the same groups, blocks and steps, each doing its part, with a
// barrier after every step.
#include <qe/session.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "engine/runtime/aligned_buffer.h"
#include "engine/runtime/plan_impl.h"
#include "engine/runtime/thread_pool.h"

#include <qe/error.h>

namespace qe {
namespace {

constexpr int kRowUnit = 6;  // rows of the register tile: blocks are whole multiples of it
static_assert(kBlockRows % kRowUnit == 0, "a block must not exceed its buffers");

int check_threads(int threads) {
  if (threads >= 1 && threads <= 1024) return threads;
  throw UsageError({.problem = "thread count out of range",
                    .name = "threads",
                    .expected = "1 to 1024",
                    .actual = std::to_string(threads)});
}

void check_ids(std::span<const std::int32_t> ids, int limit, const char* name) {
  for (const std::int32_t id : ids) {
    if (id < 0 || id >= limit) {
      throw UsageError({.problem = "id out of range",
                        .name = name,
                        .expected = "0 to " + std::to_string(limit - 1),
                        .actual = std::to_string(id)});
    }
  }
}

}  // namespace

struct Session::Impl {
  Impl(std::shared_ptr<const Plan> p, const SessionOptions& options)
      : plan(std::move(p)),
        program(plan->impl()),
        library_threads(program.library_team ? check_threads(options.threads) : 1),
        pool(program.library_team ? 1 : check_threads(options.threads), options.pin_threads),
        arena(program.arena_bytes, "arena"),
        scratch_stride((program.scratch_bytes + 63) / 64 * 64),
        scratch(scratch_stride * static_cast<std::size_t>(pool.size()), "attention scratch"),
        positions(static_cast<std::size_t>(plan->max_tokens())),
        zeros(static_cast<std::size_t>(plan->max_tokens()), 0),
        image_offsets(image_starts()),
        logits(static_cast<std::size_t>(plan->max_sequences()) *
               static_cast<std::size_t>(plan->label_count())) {}

  void validate(const TextBatch& batch) const;
  std::vector<std::int32_t> image_starts() const;
  void run(const RunInputs& inputs, std::span<float> out);
  void run_groups(const RunInputs& inputs, int thread, int threads);
  void run_block(const StepGroup& group, StepContext& context);
  void observe(std::size_t step, const StepContext& context);
  std::span<float> logits_of(int sequences) {
    return std::span(logits).first(static_cast<std::size_t>(sequences) *
                                   static_cast<std::size_t>(plan->label_count()));
  }

  std::shared_ptr<const Plan> plan;
  const Plan::Impl& program;
  int library_threads;
  ThreadPool pool;
  AlignedBuffer arena;
  std::size_t scratch_stride;
  AlignedBuffer scratch;
  std::vector<std::int32_t> positions;
  std::vector<std::int32_t> zeros;
  std::vector<std::int32_t> image_offsets;  // of the tokens of each image
  std::vector<float> logits;
  Observer observer;
};

std::vector<std::int32_t> Session::Impl::image_starts() const {
  std::vector<std::int32_t> starts;
  if (program.image_bytes == 0) return starts;
  for (int i = 0; i <= program.images_at_once; ++i) starts.push_back(i * program.max_positions);
  return starts;
}

void Session::Impl::validate(const TextBatch& batch) const {
  const auto fail = [](const char* problem, const std::string& expected, std::size_t actual) {
    throw UsageError({.problem = problem,
                      .name = "batch",
                      .expected = expected,
                      .actual = std::to_string(actual)});
  };
  if (program.image_bytes > 0) fail("the model reads images, not texts", "an image batch", 0);
  const std::size_t tokens = batch.token_ids.size();
  const std::size_t sequences = batch.offsets.empty() ? 0 : batch.offsets.size() - 1;
  const auto max_tokens = static_cast<std::size_t>(plan->max_tokens());
  const auto max_sequences = static_cast<std::size_t>(plan->max_sequences());
  if (sequences == 0) fail("no sequence", "at least 1", sequences);
  if (sequences > max_sequences) {
    fail("more sequences than the plan holds", std::to_string(max_sequences), sequences);
  }
  if (tokens > max_tokens) {
    fail("more tokens than the plan holds", std::to_string(max_tokens), tokens);
  }
  if (!batch.type_ids.empty() && batch.type_ids.size() != tokens) {
    fail("type ids do not match the tokens", std::to_string(tokens), batch.type_ids.size());
  }
  if (batch.offsets.front() != 0 || static_cast<std::size_t>(batch.offsets.back()) != tokens) {
    fail("offsets do not span the tokens", std::to_string(tokens),
         static_cast<std::size_t>(batch.offsets.back()));
  }
  for (std::size_t s = 0; s < sequences; ++s) {
    const std::int64_t length = std::int64_t{batch.offsets[s + 1]} - std::int64_t{batch.offsets[s]};
    if (length < 1 || length > program.max_positions) {
      fail("a sequence is empty or longer than the model's positions",
           "1 to " + std::to_string(program.max_positions),
           static_cast<std::size_t>(std::max<std::int64_t>(length, 0)));
    }
  }
  check_ids(batch.token_ids, program.vocab_size, "token_ids");
  check_ids(batch.type_ids, std::max(program.type_vocab_size, 1), "type_ids");
}

void Session::Impl::observe(std::size_t step, const StepContext& context) {
  const Plan::Impl::Tap& tap = program.taps[step];
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

void Session::Impl::run_block(const StepGroup& group, StepContext& context) {
  for (int i = group.first; i <= group.last; ++i) {
    const auto step = static_cast<std::size_t>(i);
    program.steps[step]->run(context);
    if (context.threads > 1) pool.barrier();
    if (observer) observe(step, context);
  }
}

void Session::Impl::run_groups(const RunInputs& inputs, int thread, int threads) {
  StepContext context{.inputs = inputs,
                      .table = *program.table,
                      .arena = arena.data(),
                      .scratch = scratch.data() + static_cast<std::size_t>(thread) * scratch_stride,
                      .thread = thread,
                      .threads = threads,
                      .library_threads = library_threads,
                      .row_begin = 0,
                      .row_end = 0};
  for (const StepGroup& group : program.groups) {
    const int rows = group.rows == kSequences ? inputs.sequences : inputs.tokens;
    const int blocks = group.blocked ? (rows + kBlockRows - 1) / kBlockRows : 1;
    for (int block = 0; block < blocks; ++block) {
      // Blocks of about equal size: a last block of few rows would waste a pass over the weights.
      const Part part = split(rows, blocks, block, kRowUnit);
      context.row_begin = part.begin;
      context.row_end = part.end;
      run_block(group, context);
    }
  }
}

Session::Session(std::shared_ptr<const Plan> plan, const SessionOptions& options)
    : impl_(std::make_unique<Impl>(std::move(plan), options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::span<const float> Session::run(const TextBatch& batch) {
  Impl& self = *impl_;
  self.validate(batch);
  const int sequences = static_cast<int>(batch.offsets.size()) - 1;
  for (int s = 0; s < sequences; ++s) {
    const auto at = static_cast<std::size_t>(s);
    for (std::int32_t t = batch.offsets[at]; t < batch.offsets[at + 1]; ++t) {
      self.positions[static_cast<std::size_t>(t)] = t - batch.offsets[at];
    }
  }
  const RunInputs inputs{
      .token_ids = batch.token_ids.data(),
      .type_ids = batch.type_ids.empty() ? self.zeros.data() : batch.type_ids.data(),
      .position_ids = self.positions.data(),
      .offsets = batch.offsets.data(),
      .tokens = static_cast<int>(batch.token_ids.size()),
      .sequences = sequences};
  const std::span<float> logits = self.logits_of(sequences);
  self.run(inputs, logits);
  return logits;
}

std::span<const float> Session::run(const ImageBatch& batch) {
  Impl& self = *impl_;
  const std::size_t one = self.program.image_bytes;
  const std::size_t images = one == 0 ? 0 : batch.pixels.size() / one;
  const auto capacity = static_cast<std::size_t>(self.plan->max_sequences());
  if (images == 0 || images > capacity || images * one != batch.pixels.size()) {
    throw UsageError({.problem = one == 0 ? "the model reads texts, not images"
                                          : "pixels are not those of whole images",
                      .name = "batch",
                      .expected = "1 to " + std::to_string(capacity) + " images of " +
                                  std::to_string(one) + " bytes",
                      .actual = std::to_string(batch.pixels.size()) + " bytes"});
  }
  const int count = static_cast<int>(images);
  const std::span<float> logits = self.logits_of(count);
  const int labels = self.plan->label_count();
  const int groups = (count + self.program.images_at_once - 1) / self.program.images_at_once;
  for (int group = 0; group < groups; ++group) {
    const Part part = split(count, groups, group, 1);
    const int size = part.end - part.begin;
    self.run(
        {.offsets = self.image_offsets.data(),
         .pixels = batch.pixels.data() + static_cast<std::size_t>(part.begin) * one,
         .tokens = size * self.program.max_positions,
         .sequences = size},
        logits.subspan(static_cast<std::size_t>(part.begin) * static_cast<std::size_t>(labels)));
  }
  return logits;
}

void Session::Impl::run(const RunInputs& inputs, std::span<float> out) {
  if (observer) {
    run_groups(inputs, 0, 1);
  } else {
    pool.run([&](int thread) noexcept { run_groups(inputs, thread, pool.size()); });
  }
  const int labels = plan->label_count();
  for (int s = 0; s < inputs.sequences; ++s) {
    const auto* const row = reinterpret_cast<const float*>(arena.data() + program.logits.offset +
                                                           s * program.logits.row_bytes);
    std::copy(row, row + labels, out.begin() + static_cast<std::ptrdiff_t>(s) * labels);
  }
}

void Session::set_observer(Observer observer) {
  if (impl_->program.integer && observer) {
    throw UsageError({.problem = "only float plans can be observed"});
  }
  impl_->observer = std::move(observer);
}

const Plan& Session::plan() const { return *impl_->plan; }

}  // namespace qe
