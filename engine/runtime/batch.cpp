// One check after the other; each names what is wrong with the batch.
#include "engine/runtime/batch.h"

#include <algorithm>
#include <string>

#include <qe/error.h>

namespace qe {
namespace {

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

void check_batch(const Plan::Impl& plan, const TextBatch& batch) {
  const auto fail = [](const char* problem, const std::string& expected, std::size_t actual) {
    throw UsageError({.problem = problem,
                      .name = "batch",
                      .expected = expected,
                      .actual = std::to_string(actual)});
  };
  if (plan.image_bytes > 0) fail("the model reads images, not texts", "an image batch", 0);
  const std::size_t tokens = batch.token_ids.size();
  const std::size_t sequences = batch.offsets.empty() ? 0 : batch.offsets.size() - 1;
  const auto max_tokens = static_cast<std::size_t>(plan.options.max_tokens);
  const auto max_sequences = static_cast<std::size_t>(plan.options.max_sequences);
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
    if (length < 1 || length > plan.max_positions) {
      fail("a sequence is empty or longer than the model's positions",
           "1 to " + std::to_string(plan.max_positions),
           static_cast<std::size_t>(std::max<std::int64_t>(length, 0)));
    }
  }
  check_ids(batch.token_ids, plan.vocab_size, "token_ids");
  check_ids(batch.type_ids, std::max(plan.type_vocab_size, 1), "type_ids");
}

RunInputs BatchInputs::of(const TextBatch& batch) {
  const std::size_t sequences = batch.offsets.size() - 1;
  for (std::size_t s = 0; s < sequences; ++s) {
    for (std::int32_t t = batch.offsets[s]; t < batch.offsets[s + 1]; ++t) {
      positions_[static_cast<std::size_t>(t)] = t - batch.offsets[s];
    }
  }
  return {.token_ids = batch.token_ids.data(),
          .type_ids = batch.type_ids.empty() ? zeros_.data() : batch.type_ids.data(),
          .position_ids = positions_.data(),
          .offsets = batch.offsets.data(),
          .tokens = static_cast<int>(batch.token_ids.size()),
          .sequences = static_cast<int>(sequences)};
}

}  // namespace qe
