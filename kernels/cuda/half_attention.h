// Attention of a model that runs in halves, in one kernel: scores, softmax and context of a block
// of queries for one head, keys and values passing through shared memory a tile of tokens at a
// time. Operands and result are halves, sums and the softmax floats; probabilities are halves when
// they are multiplied. Any number of tokens fits. Nothing is checked, allocated or waited for; the
// result is a cudaError_t, 0 for success.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/half.h"

namespace qe::kernels::cuda {

// As AttentionLaunch, which says what rows, columns and work are.
struct HalfAttentionLaunch {
  const Half* q = nullptr;
  const Half* k = nullptr;
  const Half* v = nullptr;
  std::ptrdiff_t ld_q = 0;  // row strides in elements
  std::ptrdiff_t ld_kv = 0;
  int heads = 0;
  int head_dim = 0;
  Half* out = nullptr;
  std::ptrdiff_t ld_out = 0;
  bool first_query_only = false;
  const std::int32_t* offsets = nullptr;
  const AttentionWork* work = nullptr;
  const std::int32_t* work_count = nullptr;
  int work_capacity = 0;
  LaunchStream stream;
};

int launch_attention(const HalfAttentionLaunch& launch) noexcept;

}  // namespace qe::kernels::cuda
