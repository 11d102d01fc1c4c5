// What float and integer attention share: the partition of (sequence, head) pairs by their cost.
#pragma once

#include <cstdint>

#include "engine/backends/attention_shape.h"
#include "engine/backends/cpu/lower.h"

namespace qe::cpu {

struct HeadTask {
  int head;
  int token_row;  // first row of keys and values
  int tokens;
  int query_row;
  int queries;
};

// Calls body(task) for this part: a contiguous range of (sequence, head) pairs of about equal cost,
// queries * tokens plus the work of packing them.
template <typename Body>
void for_each_own_head(const AttentionShape& shape, const StepContext& context, const Body& body) {
  const RunInputs& in = context.inputs;
  const auto cost = [&](int s) {
    const std::int64_t tokens = in.offsets[s + 1] - in.offsets[s];
    return tokens * ((shape.first_query_only ? 1 : tokens) + shape.head_dim);
  };
  std::int64_t total = 0;
  for (int s = 0; s < in.sequences; ++s) total += cost(s);
  total *= shape.heads;
  // A pair belongs to the part in whose share its first unit of cost lies.
  std::int64_t position = 0;
  for (int s = 0; s < in.sequences; ++s) {
    const std::int64_t unit = cost(s);
    for (int head = 0; head < shape.heads; ++head, position += unit) {
      if (position * context.parts / total != context.part) continue;
      const int first = in.offsets[s];
      const int tokens = in.offsets[s + 1] - first;
      body({head, first, tokens, shape.first_query_only ? s : first,
            shape.first_query_only ? 1 : tokens});
    }
  }
}

}  // namespace qe::cpu
