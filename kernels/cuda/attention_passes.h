// The two products of attention and the softmax between them, from operands in place to
// accumulators. Scores are needed twice, for the largest of a row and for its bytes. Every float
// operation is one of docs/numerics.md. Device code.
#pragma once

#include <bit>
#include <cstdint>
#include <limits>

#include "kernels/cuda/attention_block.h"
#include "kernels/cuda/attention_share.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/fours.h"
#include "kernels/cuda/ptx/mma.h"
#include "kernels/cuda/ptx/shared.h"
#include "kernels/scalar_math.h"

namespace qe::kernels::cuda {

// Sums of the first product start from the bits of the rounding constant: being less than 2^22 from
// zero, they are then its bits plus the sum, and a subtraction makes floats of them.
inline constexpr int kSumStart = std::bit_cast<int>(kRoundMagic);
static_assert(kMaxHeadDim * 128 * 128 < 1 << 22);

// This lane's scores of the group of tokens that starts at `first`.
template <int kSteps>
__device__ __forceinline__ void score_group(const AttentionBlock& block,
                                            const Queries<kSteps>& queries, int first,
                                            float (&scores)[kGroupFragments][4]) {
  int acc[kGroupFragments][4];
#pragma unroll
  for (int i = 0; i < kGroupFragments * 4; ++i) {
    acc[i / 4][i % 4] = kSumStart;
  }
  const RowChunk source = minor_fragment_source(block.lane);
  const std::uint32_t keys =
      shared_address(block.shared + block.layout.keys + first * key_stride(kSteps)) +
      static_cast<std::uint32_t>(source.row * key_stride(kSteps) + source.chunk * kChunkBytes);
#pragma unroll
  for (int pair = 0; pair < kGroupFragments / 2; ++pair) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      std::uint32_t b[4];
      load_matrices(b, keys + static_cast<std::uint32_t>(pair * 16 * key_stride(kSteps) +
                                                         step * kInstructionDepth));
      multiply<Signs::kS8S8>(acc[pair * 2], queries.operand[step], b[0], b[1]);
      multiply<Signs::kS8S8>(acc[pair * 2 + 1], queries.operand[step], b[2], b[3]);
    }
  }
  const auto* scale =
      reinterpret_cast<const float4*>(block.key_scale() + first + block.lane % 4 * kLaneScales);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float4 s = scale[half];
    const float of_token[4] = {s.x, s.y, s.z, s.w};
#pragma unroll
    for (int i = 0; i < 8; ++i) {
      const int fragment = half * 2 + i / 4;
      scores[fragment][i % 4] = (std::bit_cast<float>(acc[fragment][i % 4]) - kRoundMagic) *
                                (queries.scale[i % 4 / 2] * of_token[i / 4 * 2 + i % 2]);
    }
  }
}

// NaN is passed over.
__device__ __forceinline__ void take_largest(const float (&scores)[kGroupFragments][4],
                                             float (&largest)[2]) {
#pragma unroll
  for (int i = 0; i < kGroupFragments * 4; ++i) {
    largest[i % 4 / 2] = Largest{}(scores[i / 4][i % 4], largest[i % 4 / 2]);
  }
}

// The softmax byte of a score, in the low byte of a word. No score is above the largest, so that
// exp_255() lies within [0, 255] and needs no bounds; it takes NaN for -87.
__device__ __forceinline__ std::uint32_t softmax_byte(float score, float largest) {
  return std::bit_cast<std::uint32_t>(scalar::exp_255(score - largest) + kRoundMagic);
}

// Scores of a group become bytes, which are multiplied with its values.
template <int kSteps>
__device__ __forceinline__ void add_values(const AttentionBlock& block,
                                           const float (&scores)[kGroupFragments][4],
                                           const float (&largest)[2], int first,
                                           Context<kSteps>& context) {
  std::uint32_t bytes[4];
#pragma unroll
  for (int r = 0; r < 4; ++r) {
    const auto byte = [&](int b) {
      const ScoreRegister at = operand_score(r, b);
      return softmax_byte(scores[at.fragment][at.index], largest[at.index / 2]);
    };
    bytes[r] = pack_low_bytes(byte(0), byte(1), byte(2), byte(3));
  }
  const RowChunk source = minor_fragment_source(block.lane);
  const int stride = value_stride(block.places);
  const std::uint32_t values =
      shared_address(block.shared + block.layout.values + first) +
      static_cast<std::uint32_t>(source.row * stride + source.chunk * kChunkBytes);
#pragma unroll
  for (int pair = 0; pair < kSteps * 2; ++pair) {
    std::uint32_t b[4];
    load_matrices(b, values + static_cast<std::uint32_t>(pair * 16 * stride));
    multiply<Signs::kU8S8>(context.acc[pair * 2], bytes, b[0], b[1]);
    multiply<Signs::kU8S8>(context.acc[pair * 2 + 1], bytes, b[2], b[3]);
  }
  constexpr std::uint32_t kOnes = 0x01010101U;
  multiply<Signs::kU8S8>(context.acc[Context<kSteps>::kSums], bytes, kOnes, kOnes);
}

__device__ __forceinline__ void fold_largest(float (&largest)[2]) {
#pragma unroll
  for (float& row : largest) {
    row = fold_lanes<4>(row, Largest{});
  }
}

inline constexpr float kLeastScore = -std::numeric_limits<float>::infinity();

// All scores are computed twice.
template <int kSteps>
__device__ __forceinline__ void attend_any(const AttentionBlock& block,
                                           const Queries<kSteps>& queries,
                                           Context<kSteps>& context) {
  float largest[2] = {kLeastScore, kLeastScore};
  float scores[kGroupFragments][4];
  for (int first = 0; first < block.padded; first += kTokenGroup) {
    score_group(block, queries, first, scores);
    take_largest(scores, largest);
  }
  fold_largest(largest);
  for (int first = 0; first < block.padded; first += kTokenGroup) {
    score_group(block, queries, first, scores);
    add_values(block, scores, largest, first, context);
  }
}

// Up to kHeldTokens tokens, in groups that may be shared with other warps: all warps of the block
// come here. The first of those that share has the result.
template <int kSteps>
__device__ __forceinline__ void attend_held(const AttentionBlock& block,
                                            const Queries<kSteps>& queries,
                                            Context<kSteps>& context) {
  const auto takes = [&](int group) {
    return group * kTokenGroup < block.padded &&
           (group & (block.members() - 1)) == block.member() && block.has_queries();
  };
  float largest[2] = {kLeastScore, kLeastScore};
  float scores[kHeldGroups][kGroupFragments][4];
#pragma unroll
  for (int group = 0; group < kHeldGroups; ++group) {
    if (takes(group)) {
      score_group(block, queries, group * kTokenGroup, scores[group]);
      take_largest(scores[group], largest);
    }
  }
  fold_largest(largest);
  if (block.members() > 1) {
    share_largest(block, largest);
  }
#pragma unroll
  for (int group = 0; group < kHeldGroups; ++group) {
    if (takes(group)) {
      add_values(block, scores[group], largest, group * kTokenGroup, context);
    }
  }
  if (block.members() > 1) {
    share_context(block, context);
  }
}

}  // namespace qe::kernels::cuda
