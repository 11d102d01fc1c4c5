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

// Of head blockIdx.y and an item of work, the part of it from query part * most on, of at most so
// many; there may be none. Launch: AttentionLaunch or HalfAttentionLaunch.
template <class Launch>
__device__ __forceinline__ QueryBlock query_block(const Launch& x, const AttentionWork& work,
                                                  int part, int most) {
  const int first_token = x.offsets[work.sequence];
  const int tokens = x.offsets[work.sequence + 1] - first_token;
  const int first_query = work.first_query + part * most;
  const int left = tokens - first_query;
  return {.tokens = tokens,
          .first_token = first_token,
          .first_query = x.first_query_only ? work.sequence : first_token + first_query,
          .queries = x.first_query_only ? 1 : (left < most ? left : most),
          .first_column = static_cast<int>(blockIdx.y) * x.head_dim};
}

// Of block (work item, head).
template <class Launch>
__device__ __forceinline__ QueryBlock query_block(const Launch& x) {
  return query_block(x, x.work[blockIdx.x], 0, kQueryBlock);
}

}  // namespace qe::kernels::cuda
