// Which products write queries and keys as bytes for the attention behind them
// (kernels/cuda/byte_heads.h). Both launches ask the same question of the same context, so that
// they cannot disagree; memory is planned as for floats, which the rows are where the answer is no.
#pragma once

#include <qe/graph.h>

#include "kernels/cuda/byte_heads.h"

namespace qe::cuda {

struct LaunchContext;

// A value that may have such rows, or (head_dim 0) one that never has.
struct FusedHeads {
  int heads = 0;
  int head_dim = 0;
  int n = 0, k = 0;  // of the product

  // What its rows are in this context: none of their columns, or queries and keys.
  kernels::cuda::ByteHeads in(const LaunchContext& context) const noexcept;
};

// Of a value that a product without activation and residual makes and integer attention alone
// reads: its queries, keys and values side by side, all of them for every token.
FusedHeads fused_heads(const Graph& graph, ValueId id);

}  // namespace qe::cuda
