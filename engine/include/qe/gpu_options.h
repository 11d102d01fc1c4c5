// What may be chosen of a session on a GPU, to compare and to tune (qe-bench --variant). No choice
// changes a bit of the logits.
#pragma once

namespace qe {

struct GpuOptions {
  // A recorded launch may begin before the one before it has ended, where the GPU's kernels can do
  // with that (docs/decisions/0019-launches-that-overlap.md).
  bool overlap = true;
  // From so many rows of a launch on a feed-forward product quantizes its rows itself
  // (docs/decisions/0021-rows-quantized-in-registers.md). Fewer leave their floats in the cache.
  int row_bytes_from = 2048;
  // From so many rows on a product writes queries and keys as bytes
  // (docs/decisions/0022-queries-and-keys-as-bytes.md). With fewer the floats stay in the
  // second-level cache between the two launches, and what the bytes cost more of instructions is on
  // the way of a launch that waits for memory and for its neighbours rather than for arithmetic. An
  // estimate, like the one above; a GPU has to confirm them.
  int byte_heads_from = 1024;
};

}  // namespace qe
