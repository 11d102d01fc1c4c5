// Checks a batch, runs the plan's executor on it and keeps the logits.
#include <qe/session.h>

#include <utility>
#include <vector>

#include "engine/runtime/batch.h"
#include "engine/runtime/plan_impl.h"
#include "engine/runtime/thread_pool.h"

#include <qe/error.h>

namespace qe {

struct Session::Impl {
  Impl(std::shared_ptr<const Plan> p, const SessionOptions& options)
      : plan(std::move(p)),
        inside(plan->impl()),
        executor(inside.program->make_executor(options)),
        texts(plan->max_tokens()),
        image_offsets(image_starts()),
        logits(static_cast<std::size_t>(plan->max_sequences()) *
               static_cast<std::size_t>(plan->label_count())) {}

  std::vector<std::int32_t> image_starts() const;
  std::span<float> logits_of(int sequences) {
    return std::span(logits).first(static_cast<std::size_t>(sequences) *
                                   static_cast<std::size_t>(plan->label_count()));
  }

  std::shared_ptr<const Plan> plan;
  const Plan::Impl& inside;
  std::unique_ptr<Executor> executor;
  BatchInputs texts;
  std::vector<std::int32_t> image_offsets;  // of the tokens of each image
  std::vector<float> logits;
  Observer observer;
};

std::vector<std::int32_t> Session::Impl::image_starts() const {
  std::vector<std::int32_t> starts;
  if (inside.image_bytes == 0) return starts;
  for (int i = 0; i <= inside.images_at_once; ++i) starts.push_back(i * inside.max_positions);
  return starts;
}

Session::Session(std::shared_ptr<const Plan> plan, const SessionOptions& options)
    : impl_(std::make_unique<Impl>(std::move(plan), options)) {}
Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

std::span<const float> Session::run(const TextBatch& batch) {
  Impl& self = *impl_;
  check_batch(self.inside, batch);
  const RunInputs inputs = self.texts.of(batch);
  const std::span<float> logits = self.logits_of(inputs.sequences);
  self.executor->run(inputs, logits, self.observer);
  return logits;
}

std::span<const float> Session::run(const ImageBatch& batch) {
  Impl& self = *impl_;
  const std::size_t one = self.inside.image_bytes;
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
  const auto labels = static_cast<std::size_t>(self.plan->label_count());
  const int groups = (count + self.inside.images_at_once - 1) / self.inside.images_at_once;
  for (int group = 0; group < groups; ++group) {
    const Part part = split(count, groups, group, 1);
    const int size = part.end - part.begin;
    const auto first = static_cast<std::size_t>(part.begin);
    self.executor->run({.offsets = self.image_offsets.data(),
                        .pixels = batch.pixels.data() + first * one,
                        .tokens = size * self.inside.max_positions,
                        .sequences = size},
                       logits.subspan(first * labels, static_cast<std::size_t>(size) * labels),
                       self.observer);
  }
  return logits;
}

void Session::set_observer(Observer observer) {
  const bool on_cpu = impl_->plan->device().kind == DeviceSpec::Kind::kCpu;
  if ((impl_->inside.integer || !on_cpu) && observer) {
    throw UsageError({.problem = "only float plans on a CPU can be observed"});
  }
  impl_->observer = std::move(observer);
}

const Plan& Session::plan() const { return *impl_->plan; }

}  // namespace qe
