// Which queries, keys and values a block of threads has, by the list of work, for attention on any
// type. Device code.
#pragma once

#include "kernels/cuda/attention.h"

namespace qe::kernels::cuda {

struct QueryBlock {
  int tokens;
  int first_token;  // row of keys and values
  int first_query;  // row of queries and results
  int queries;
  int first_column;
};

// Of block (work item, head). Launch: AttentionLaunch or HalfAttentionLaunch.
template <class Launch>
__device__ __forceinline__ QueryBlock query_block(const Launch& x) {
  const AttentionWork work = x.work[blockIdx.x];
  const int first_token = x.offsets[work.sequence];
  const int tokens = x.offsets[work.sequence + 1] - first_token;
  const int left = tokens - work.first_query;
  return {.tokens = tokens,
          .first_token = first_token,
          .first_query = x.first_query_only ? work.sequence : first_token + work.first_query,
          .queries = x.first_query_only ? 1 : (left < kQueryBlock ? left : kQueryBlock),
          .first_column = static_cast<int>(blockIdx.y) * x.head_dim};
}

}  // namespace qe::kernels::cuda
