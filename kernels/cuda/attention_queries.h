// Queries of the attention kernel: the operand of the first product, in registers. Device code.
#pragma once

#include "kernels/cuda/attention_pieces.h"

namespace qe::kernels::cuda {

// A warp's queries: pieces of the operand's registers.
template <Form kForm, int kSteps>
struct QueryPieces {
  static constexpr bool kInBytes = kForm != Form::kFloats;
  Piece<kInBytes> x[kSteps * 4];
  float scale[2];  // of scaled bytes

  template <Heads kHeads>
  __device__ __forceinline__ void load(const Attention& p, const AttentionBlock& block) {
    const auto rows =
        query_rows(choose<kInBytes>(p.x.q_f32, p.x.q_u8), block.first_column, p, block);
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
    if constexpr (kForm == Form::kScaledBytes) {
      const auto scales = query_rows(p.q_scales, static_cast<int>(blockIdx.y), p, block);
#pragma unroll
      for (int i = 0; i < 2; ++i) {
        scale[i] = *scales.at(static_cast<unsigned>(block.first_row() + query_row(block.lane, i)) *
                              p.q_row);
      }
    }
  }

  __device__ __forceinline__ void quantize(const AttentionBlock& block,
                                           Queries<kSteps>& queries) const {
    float inv[2] = {};
    if constexpr (kInBytes) {
      constexpr bool kScaled = kForm == Form::kScaledBytes;
      queries.scale[0] = kScaled ? scale[0] : 1.0F;
      queries.scale[1] = kScaled ? scale[1] : 1.0F;
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
      queries.operand[i / 4][i % 4] = operand_word<kForm>(x[i], inv[i % 2]);
    }
  }
};

}  // namespace qe::kernels::cuda
