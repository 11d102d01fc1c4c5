// Operands of attention on halves: queries to registers, keys and values to shared memory, a tile
// of tokens at a time. What lies beyond a sequence or a head is zero. Device code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/half_attention.h"
#include "kernels/cuda/query_block.h"

namespace qe::kernels::cuda {

inline constexpr int kTileTokens = 64;
inline constexpr int kHalfDepth = 16;  // halves that one instruction multiplies
inline constexpr int kPiece = 8;       // halves in 16 bytes

// Rows of keys and values in shared memory lie an odd number of 16-byte pieces apart: eight rows at
// one column lie in eight different bank groups.
constexpr int tile_stride(int steps) { return steps * kHalfDepth + kPiece; }
constexpr int tile_bytes(int steps) {
  return kTileTokens * tile_stride(steps) * static_cast<int>(sizeof(Half));
}

struct HalfAttention {
  HalfAttentionLaunch x;
  float scale;     // of scores
  bool in_pieces;  // rows of k and v have aligned pieces of 16 bytes
};

// Tokens [first, first + kTileTokens) of keys or values; zero beyond the sequence and the head.
template <int kSteps>
__device__ __forceinline__ void fill_tile(const HalfAttention& p, const QueryBlock& block,
                                          const Half* from, int first, Half* tile) {
  constexpr int kRowPieces = kSteps * kHalfDepth / kPiece;
  for (int i = static_cast<int>(threadIdx.x); i < kTileTokens * kRowPieces;
       i += kAttentionThreads) {
    const int token = i / kRowPieces;
    const int column = i % kRowPieces * kPiece;
    const int left = first + token < block.tokens ? p.x.head_dim - column : 0;
    const Half* source =
        from + (block.first_token + first + token) * p.x.ld_kv + block.first_column + column;
    uint4 piece = make_uint4(0, 0, 0, 0);
    if (p.in_pieces) {
      if (left > 0) {
        piece = *reinterpret_cast<const uint4*>(source);
      }
    } else {
      const auto pair = [&](int at) {
        const std::uint32_t low = at < left ? source[at].bits : 0U;
        const std::uint32_t high = at + 1 < left ? source[at + 1].bits : 0U;
        return low | high << 16U;
      };
      piece = make_uint4(pair(0), pair(2), pair(4), pair(6));
    }
    *reinterpret_cast<uint4*>(tile + token * tile_stride(kSteps) + column) = piece;
  }
}

// This warp's queries as the operand of the first product.
template <int kSteps>
__device__ __forceinline__ void load_queries(const HalfAttentionLaunch& x, const QueryBlock& block,
                                             int first_row, int lane,
                                             std::uint32_t (&queries)[kSteps][4]) {
#pragma unroll
  for (int i = 0; i < kSteps * 4; ++i) {
    const int row = first_row + lane / 4 + i % 2 * 8;
    const int column = i / 4 * kHalfDepth + i % 4 / 2 * 8 + lane % 4 * 2;
    const int left = row < block.queries ? x.head_dim - column : 0;
    const Half* q = x.q + (block.first_query + row) * x.ld_q + block.first_column + column;
    const std::uint32_t low = left > 0 ? q[0].bits : 0U;
    const std::uint32_t high = left > 1 ? q[1].bits : 0U;
    queries[i / 4][i % 4] = low | high << 16U;
  }
}

}  // namespace qe::kernels::cuda
