// A linear layer and the quantization of its rows, which may be one launch: then the product writes
// the bytes and the floats between the two do not exist
// (docs/decisions/0021-rows-quantized-in-registers.md). Both nodes are lowered with their pair and
// ask it, so that they cannot disagree.
#pragma once

#include <optional>

#include "engine/backends/cuda/lower.h"

namespace qe::cuda {

struct RowBytesPair {
  int n = 0, k = 0;
  BufferRef q, scale;
  float floor = 0.0F;

  // The product's kernel where a launch for so many rows is for both, else nothing.
  std::optional<kernels::cuda::Choice> choice(const LaunchContext& context, int rows) const;
  kernels::cuda::RowBytes row_bytes(const LaunchContext& context) const;
};

// The pair that `node` is one half of. Nothing where the floats are read by more than the
// quantization, have a residual, or get a floor of their own in each row.
std::optional<RowBytesPair> row_bytes_pair(const Node& node, LoweringContext& context);

}  // namespace qe::cuda
