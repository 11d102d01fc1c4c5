// Operands of the attention kernel: keys and values to shared memory, queries to registers. As much
// as registers hold is loaded before the first of it is used: up to kHeldTokens tokens wait for
// memory once. Device code.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/cuda/attention_block.h"
#include "kernels/cuda/attention_pieces.h"
#include "kernels/cuda/attention_queries.h"

namespace qe::kernels::cuda {

// A thread's share of keys: of kBatch tokens, `distance` apart from `first` on.
template <Form kForm, int kSteps>
struct Keys {
  static constexpr bool kInBytes = kForm != Form::kFloats;
  static constexpr int kBatch = kSteps <= kHeldSteps ? 4 : 2;
  static constexpr int kTeams = kWarpLanes / kKeyLanes;
  Piece<kInBytes> x[kBatch][kSteps];
  float scale;  // of scaled bytes, of token lane % kBatch
  int first, distance;

  __device__ __forceinline__ explicit Keys(const AttentionBlock& block)
      : first(block.warp * kTeams + block.lane / kKeyLanes), distance(block.warps * kTeams) {}

  __device__ __forceinline__ bool next(const AttentionBlock& block) {
    first += kBatch * distance;
    return first < block.padded;  // for all lanes of a warp or none
  }

  template <Heads kHeads>
  __device__ __forceinline__ void load(const Attention& p, const AttentionBlock& block) {
    const auto rows = key_rows(choose<kInBytes>(p.x.k_f32, p.x.k_u8), block.first_column, p, block);
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const auto* row = rows.at(static_cast<unsigned>(first + i * distance) * rows.row_bytes);
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        x[i][step] = load_piece<kHeads>(row, key_column(block.lane, step), p.x.head_dim);
      }
    }
    if constexpr (kForm == Form::kScaledBytes) {
      const unsigned token = static_cast<unsigned>(first + block.lane % kBatch * distance);
      scale = *key_rows(p.k_scales, static_cast<int>(blockIdx.y), p, block).at(token * p.kv_row);
    }
  }

  // The symmetric scale of token lane % kBatch.
  __device__ __forceinline__ scalar::DynamicScale own_scale(const AttentionBlock& block) const {
    if constexpr (kForm == Form::kBytes) {
      return {1.0F, 0.0F};
    } else if constexpr (kForm == Form::kScaledBytes) {
      return {scale, 0.0F};
    } else {
      float largest[kBatch] = {};
#pragma unroll
      for (int i = 0; i < kBatch * kSteps; ++i) {
        largest[i / kSteps] = magnitude_of(x[i / kSteps][i % kSteps], largest[i / kSteps]);
      }
      return scalar::symmetric_scale(fold_apart<kKeyLanes>(largest, block.lane, Largest{}));
    }
  }

  // Quantized to shared memory with their scales. That of a token that does not exist is NaN: the
  // softmax passes over scores that are not numbers.
  __device__ __forceinline__ void store(const Attention& p, const AttentionBlock& block) const {
    const scalar::DynamicScale own = own_scale(block);
    std::byte* row =
        block.shared + block.layout.keys + first * key_stride(kSteps) + key_column(block.lane, 0);
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const float inv = kInBytes ? 0.0F : __shfl_sync(0xFFFFFFFFU, own.inv, i, kKeyLanes);
      if (first + i * distance < block.padded) {  // likewise
#pragma unroll
        for (int step = 0; step < kSteps; ++step) {
          *reinterpret_cast<std::uint32_t*>(row + step * kInstructionDepth) =
              operand_word<kForm>(x[i][step], inv);
        }
      }
      row += distance * key_stride(kSteps);
    }
    const int token = first + block.lane % kBatch * distance;
    if (block.lane % kKeyLanes < kBatch && token < block.padded) {
      block.key_scale()[key_scale_place(token)] = token < block.tokens
                                                      ? own.scale * p.score_scale
                                                      : std::numeric_limits<float>::quiet_NaN();
    }
  }
};

// A thread's share of values: of kBatch units of work, `distance` apart from `first` on.
template <bool kStatic, int kSteps>
struct Values {
  static constexpr int kBatch = kSteps <= kHeldSteps ? 2 : 1;
  Piece<kStatic> x[kBatch][4];  // four tokens each
  int first, distance;

  __device__ __forceinline__ explicit Values(const AttentionBlock& block)
      : first(block.warp), distance(block.warps) {}

  __device__ __forceinline__ bool more(const AttentionBlock& block) const {
    return first + kBatch * distance < value_units(block.padded, kSteps);
  }
  __device__ __forceinline__ void forward() { first += kBatch * distance; }
  __device__ __forceinline__ bool back() {
    first -= kBatch * distance;
    return first >= 0;
  }

  template <Heads kHeads>
  __device__ __forceinline__ void load(const Attention& p, const AttentionBlock& block) {
    const auto rows = key_rows(choose<kStatic>(p.x.v_f32, p.x.v_u8), block.first_column, p, block);
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const ValueItem item = value_item(first + i * distance, block.lane, kSteps);
      const unsigned token =
          static_cast<unsigned>(item.group * kTokenGroup + word_token(item.word, 0));
#pragma unroll
      for (int byte = 0; byte < 4; ++byte) {
        const auto* row = rows.at(token * rows.row_bytes +
                                  static_cast<unsigned>(word_token(0, byte)) * rows.row_bytes);
        x[i][byte] = load_piece<kHeads>(row, item.column, p.x.head_dim);
      }
    }
  }

  __device__ __forceinline__ float magnitude(float largest) const {
#pragma unroll
    for (int i = 0; i < kBatch * 4; ++i) {
      largest = magnitude_of(x[i / 4][i % 4], largest);
    }
    return largest;
  }

  // Quantized and transposed to shared memory.
  __device__ __forceinline__ void store(const AttentionBlock& block, float inv) const {
    const int stride = value_stride(block.places);
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int unit = first + i * distance;
      if (unit >= value_units(block.padded, kSteps)) {
        continue;
      }
      const ValueItem item = value_item(unit, block.lane, kSteps);
      std::byte* to = block.shared + block.layout.values + item.column * stride +
                      item.group * kTokenGroup + item.word * 4;
#pragma unroll
      for (unsigned column = 0; column < 4; ++column) {
        *reinterpret_cast<std::uint32_t*>(to) = column_word(x[i], column, inv);
        to += stride;
      }
    }
  }
};

// The largest of all threads, in two halves with a __syncthreads() between them.
__device__ __forceinline__ void give_largest(const AttentionBlock& block, float largest) {
  auto* places = reinterpret_cast<float*>(block.shared + block.layout.folds);
  largest = fold_lanes<kWarpLanes>(largest, Largest{});
  if (block.lane < kAttentionWarps && (block.lane & (block.warps - 1)) == block.warp) {
    places[block.lane] = largest;
  }
}
__device__ __forceinline__ float take_largest(const AttentionBlock& block) {
  const auto* places = reinterpret_cast<const float4*>(block.shared + block.layout.folds);
  static_assert(kAttentionWarps == 8);
  const float4 a = places[0];
  const float4 b = places[1];
  return magnitude_of({{a.x, a.y, a.z, a.w}}, magnitude_of({{b.x, b.y, b.z, b.w}}, 0.0F));
}

// All three; queries are there for warps that have some. Returns the scale of the values, 1 where
// the launch knows it. With kOnce each thread's share is one batch.
template <bool kOnce, Form kForm, int kSteps>
__device__ __forceinline__ float load_operands(const Attention& p, const AttentionBlock& block,
                                               Queries<kSteps>& queries) {
  constexpr bool kStatic = kForm == Form::kBytes;
  Values<kStatic, kSteps> values(block);
  Keys<kForm, kSteps> keys(block);
  QueryPieces<kForm, kSteps> pieces;
  // Half as many warps have sequences of at most half as many tokens.
  static_assert(!kOnce || (keys.kBatch * keys.kTeams * kAttentionWarps >= kHeldTokens &&
                           values.kBatch * kAttentionWarps >= value_units(kHeldTokens, kSteps)));
  // The last values stay until they are quantized, when their largest magnitude is known.
  float largest = 0.0F;
  for (; !kOnce && values.more(block); values.forward()) {
    if constexpr (!kStatic) {
      load(values, p, block);
      largest = values.magnitude(largest);
    }
  }
  load(values, p, block);
  load(keys, p, block);
  if constexpr (!kStatic) {
    give_largest(block, values.magnitude(largest));
  }
  keys.store(p, block);
  while (!kOnce && keys.next(block)) {
    load(keys, p, block);
    keys.store(p, block);
  }
  if (block.has_queries()) {
    load(pieces, p, block);
  }
  scalar::DynamicScale dynamic{1.0F, 0.0F};
  if constexpr (!kStatic) {
    __syncthreads();
    dynamic = scalar::symmetric_scale(take_largest(block));
  }
  values.store(block, dynamic.inv);
  while (!kOnce && values.back()) {
    load(values, p, block);
    values.store(block, dynamic.inv);
  }
  __syncthreads();
  if (block.has_queries()) {
    pieces.quantize(block, queries);
  }
  return dynamic.scale;
}

}  // namespace qe::kernels::cuda
