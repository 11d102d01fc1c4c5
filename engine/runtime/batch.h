// Batches of texts as every session takes them: checked once, and with the positions that the
// embedding reads.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/runtime/plan_impl.h"

#include <qe/session.h>

namespace qe {

// Throws UsageError as Session::run says.
void check_batch(const Plan::Impl& plan, const TextBatch& batch);

// What a checked batch leaves unsaid, in memory for the plan's capacity.
class BatchInputs {
 public:
  explicit BatchInputs(int max_tokens)
      : positions_(static_cast<std::size_t>(max_tokens)),
        zeros_(static_cast<std::size_t>(max_tokens), 0) {}

  // Valid until the next call and as long as the batch.
  RunInputs of(const TextBatch& batch);

 private:
  std::vector<std::int32_t> positions_;
  std::vector<std::int32_t> zeros_;  // the types of a batch without any
};

}  // namespace qe
