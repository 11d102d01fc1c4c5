// INT8 attention on a GPU in one kernel: a block of threads takes some queries of one sequence for
// one head, quantizes that head's keys and values into its shared memory, and multiplies, takes the
// softmax and multiplies again without any of it leaving the block. The results are those of
// kernels/attention.h, bit for bit. Nothing is checked, allocated or waited for; functions return a
// cudaError_t, 0 for success.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/attention_maps.h"
#include "kernels/cuda/byte_heads.h"
#include "kernels/cuda/launch_stream.h"

namespace qe::kernels::cuda {

// A block's queries: those of `sequence` from the first_query-th on, kQueryBlock at most; none
// where the sequence is negative.
struct AttentionWork {
  std::int32_t sequence, first_query;
};

// Pointers are to device memory. Sequence s has the rows [offsets[s], offsets[s + 1]) of keys and
// values, and the same rows of queries and results, or, with first_query_only, row s of both. Head
// h has the columns [h * head_dim, (h + 1) * head_dim) of all four. Dynamic: the f32 pointers are
// set and the result is f32. Static: the u8 pointers are set (zero point 128) and the result is
// out_u8 or, where that is null, out_f32. Scaled: byte_heads has columns, those of queries and of
// keys, q_f32 leads to the rows that have them as bytes (byte_heads.h), k_f32 is not used, the rest
// is as in dynamic attention over all queries, whose results it gives. No sequence is empty, a head
// has at most kMaxHeadDim elements, and rows of queries, keys and values are less than 2^20 bytes
// apart.
struct AttentionLaunch {
  const float* q_f32 = nullptr;
  const float* k_f32 = nullptr;
  const float* v_f32 = nullptr;
  ByteHeads byte_heads;
  const std::uint8_t* q_u8 = nullptr;
  const std::uint8_t* k_u8 = nullptr;
  const std::uint8_t* v_u8 = nullptr;
  std::ptrdiff_t ld_q = 0;  // row strides in elements
  std::ptrdiff_t ld_kv = 0;
  float q_scale = 0.0F;  // static only
  float k_scale = 0.0F;
  float v_scale = 0.0F;
  int heads = 0;
  int head_dim = 0;
  float* out_f32 = nullptr;
  std::uint8_t* out_u8 = nullptr;
  std::ptrdiff_t ld_out = 0;
  float out_inv_scale = 0.0F;
  float out_zero_point = 0.0F;
  bool first_query_only = false;
  const std::int32_t* offsets = nullptr;
  const AttentionWork* work = nullptr;
  const std::int32_t* work_count = nullptr;  // items of this run; none beyond them is used
  int work_capacity = 0;                     // items there is memory for
  int max_tokens = 0;                        // of the longest sequence there may be
  LaunchStream stream;
};

// Shared memory of a block; a launch fails where the device does not give a block so much.
constexpr std::size_t attention_shared_bytes(int tokens, int head_dim) {
  return attention_layout(token_places(tokens), head_steps(head_dim)).bytes;
}

// Lets the kernels use all the shared memory that the current device gives a block. Once a device,
// before the first launch.
int prepare_attention() noexcept;

int launch_attention(const AttentionLaunch& launch) noexcept;

}  // namespace qe::kernels::cuda
