// Opening and timing.
#include "tools/bench/contestant.h"

#include <chrono>

#include <qe/error.h>
#include <qe/load.h>
#include <qe/model.h>

#include "tools/support/file_info.h"
#include "tools/support/models.h"

namespace qe::tools {
namespace {

using Clock = std::chrono::steady_clock;

double milliseconds_since(Clock::time_point start) {
  return std::chrono::duration<double, std::milli>(Clock::now() - start).count();
}

}  // namespace

Contestant open_contestant(const std::filesystem::path& directory, const SharedFlags& flags,
                           int max_tokens, int max_samples, int tokens_each) {
  const Clock::time_point start = Clock::now();
  Model model = build_model(load_checkpoint(directory, {.use_mmap = !flags.no_mmap}));
  if (!model.image && tokens_each > model.max_positions) {
    throw UsageError({.problem = "sequence length exceeds the model's positions",
                      .file = directory.string(),
                      .expected = "at most " + std::to_string(model.max_positions),
                      .actual = std::to_string(tokens_each)});
  }
  Contestant result{.directory = directory.string(),
                    .scheme = scheme_name(model),
                    .variant = {},
                    .vocab_size = model.vocab_size,
                    .max_positions = model.max_positions,
                    .image = model.image,
                    .file_bytes = weight_file_bytes(directory),
                    .load_ms = 0.0,
                    .plan = nullptr};
  result.plan = Plan::compile(std::move(model), {.max_tokens = max_tokens,
                                                 .max_sequences = max_samples,
                                                 .threads = flags.threads,
                                                 .isa = flags.isa,
                                                 .device = flags.device});
  result.load_ms = milliseconds_since(start);
  return result;
}

Session make_session(const Contestant& contestant, int threads, bool pin) {
  return Session(contestant.plan,
                 {.threads = threads, .pin_threads = pin, .gpu = contestant.variant.gpu});
}

std::span<const float> run_request(Session& session, const Request& request) {
  return request.images > 0 ? session.run(request.image_batch()) : session.run(request.batch());
}

double timed_run(Session& session, const Request& request) {
  const Clock::time_point start = Clock::now();
  run_request(session, request);
  return milliseconds_since(start);
}

}  // namespace qe::tools
