// Queries of the attention kernel: the operand of the first product, in registers. Device code.
#pragma once

#include "kernels/cuda/attention_pieces.h"

namespace qe::kernels::cuda {

// A warp's queries: pieces of the operand's registers.
template <bool kStatic, int kSteps>
struct QueryPieces {
  Piece<kStatic> x[kSteps * 4];

  template <Heads kHeads>
  __device__ __forceinline__ void load(const Attention& p, const AttentionBlock& block) {
    const auto rows = query_rows(choose<kStatic>(p.x.q_f32, p.x.q_u8), p, block);
#pragma unroll
    for (int i = 0; i < kSteps * 4; ++i) {
      const auto* row = rows.at(
          static_cast<unsigned>(block.first_row() + query_row(block.lane, i % 4)) * rows.row_bytes);
      const int column = i / 4 * kInstructionDepth + query_column(block.lane, i % 4);
      x[i] = load_piece<kHeads>(row, column, p.x.head_dim);
      if constexpr (kHeads != Heads::kInSteps) {
        x[i] = cut(x[i], column, p.x.head_dim);
      }
    }
  }

  __device__ __forceinline__ void quantize(const AttentionBlock& block,
                                           Queries<kSteps>& queries) const {
    float inv[2] = {};
    if constexpr (kStatic) {
      queries.scale[0] = 1.0F;
      queries.scale[1] = 1.0F;
    } else {
      float largest[2] = {};
#pragma unroll
      for (int i = 0; i < kSteps * 4; ++i) {
        largest[i % 2] = magnitude_of(x[i], largest[i % 2]);
      }
      const scalar::DynamicScale own =
          scalar::symmetric_scale(fold_apart<4>(largest, block.lane, Largest{}));
#pragma unroll
      for (int row = 0; row < 2; ++row) {
        queries.scale[row] = __shfl_sync(0xFFFFFFFFU, own.scale, row, 4);
        inv[row] = __shfl_sync(0xFFFFFFFFU, own.inv, row, 4);
      }
    }
#pragma unroll
    for (int i = 0; i < kSteps * 4; ++i) {
      queries.operand[i / 4][i % 4] = row_word(x[i], inv[i % 2]);
    }
  }
};

}  // namespace qe::kernels::cuda
