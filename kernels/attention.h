// INT8 attention of one head over one sequence, composed from the functions of a kernel table:
// scores = Q K^T, bytes = softmax, context = bytes V, in blocks of query rows that stay in the
// nearest caches. Nothing is allocated and no thread is started: heads and sequences are the
// caller's units of parallel work. The steps are those of docs/numerics.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"

namespace qe::kernels {

// Queries [queries][head_dim], keys and values [tokens][head_dim] of one head, elements of a row
// contiguous. A sequence's queries may be fewer than its tokens: every query row stands alone.
// Dynamic: the f32 pointers are set; Q and K get one scale a token, V one for the head. Static: the
// u8 pointers are set (zero point 128, real = scale (q - 128)) and each row of q_u8 has
// round_up(head_dim, 4) readable bytes.
// Dynamic heads write out_f32. Static heads write out_u8 = round_half_even(clamp(context *
// out_inv_scale + out_zero_point, 0, 255)) or, where that is null, out_f32.
struct AttentionArgs {
  const float* q_f32 = nullptr;
  const float* k_f32 = nullptr;
  const float* v_f32 = nullptr;
  const std::uint8_t* q_u8 = nullptr;
  const std::uint8_t* k_u8 = nullptr;
  const std::uint8_t* v_u8 = nullptr;
  std::ptrdiff_t ld_q = 0;  // row strides in elements
  std::ptrdiff_t ld_kv = 0;
  float q_scale = 0.0F;  // static only
  float k_scale = 0.0F;
  float v_scale = 0.0F;
  int queries = 0;
  int tokens = 0;
  int head_dim = 0;
  float* out_f32 = nullptr;
  std::uint8_t* out_u8 = nullptr;
  std::ptrdiff_t ld_out = 0;
  float out_inv_scale = 0.0F;
  float out_zero_point = 0.0F;
  std::byte* scratch = nullptr;  // attention_scratch_bytes(tokens, head_dim), 64-byte aligned
};

// For a sequence of so many tokens and every shorter one.
std::size_t attention_scratch_bytes(int tokens, int head_dim);

void attention_head(const KernelTable& table, const AttentionArgs& args) noexcept;

}  // namespace qe::kernels
