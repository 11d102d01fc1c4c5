// Operands of the attention kernel: queries to registers, keys and values to shared memory, as s8,
// by the rules of symmetric dynamic quantization or from bytes that have 128 for zero. What lies
// beyond a sequence or a head is zero. Device code.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/fours.h"
#include "kernels/cuda/query_block.h"
#include "kernels/scalar_quantize.h"

namespace qe::kernels::cuda {

// What every block gets.
struct Attention {
  AttentionLaunch x;
  float score_scale;    // what the scale of a key is multiplied by; static: that of all keys, whole
  float context_scale;  // static: what the inverse sum is multiplied by
  bool in_fours;        // rows of q, k and v have aligned pieces of four elements
  bool out_pairs;       // rows of the result have aligned pairs
};

// What one block does, and where it keeps it.
struct AttentionBlock : QueryBlock {
  std::byte* shared;
  AttentionLayout layout;
  int padded;  // tokens, in whole groups
  int thread;

  __device__ __forceinline__ float* key_scale() const {
    return reinterpret_cast<float*>(shared + layout.key_scale);
  }
};

// The sign bit of four bytes turned over: u8 with zero point 128 to s8.
__device__ __forceinline__ std::uint32_t centered(std::uint32_t bytes) {
  return bytes ^ 0x80808080U;
}
__device__ __forceinline__ std::uint32_t quantize_four(const float (&x)[4], float inv) {
  const auto q = [&](int i) { return scalar::quantize_symmetric(x[i], inv); };
  return centered(pack_bytes(q(0), q(1), q(2), q(3)));
}
__device__ __forceinline__ float magnitude_of(const float (&x)[4], float largest) {
#pragma unroll
  for (const float v : x) {
    largest = scalar::maximum(std::fabs(v), largest);
  }
  return largest;
}

// The operand of the first product for this warp's queries, and the scales of the two rows of which
// this lane gets scores (static: 1, for the keys' scale has it all).
template <int kSteps>
struct Queries {
  std::uint32_t operand[kSteps][4];
  float scale[2];
};

template <bool kStatic, bool kVector, int kSteps>
__device__ __forceinline__ void load_queries(const Attention& p, const AttentionBlock& block,
                                             Queries<kSteps>& queries) {
  const int lane = block.thread % kWarpLanes;
  const int first = block.thread / kWarpLanes * kWarpQueries;
  const auto row_of = [&](int r) { return first + query_row(lane, r); };
  const auto offset = [&](int r) {
    return (block.first_query + row_of(r)) * p.x.ld_q + block.first_column;
  };
  // Of a query that does not exist no element does.
  const auto count = [&](int r) { return row_of(r) < block.queries ? p.x.head_dim : 0; };
  if constexpr (kStatic) {
#pragma unroll
    for (int i = 0; i < kSteps * 4; ++i) {
      queries.operand[i / 4][i % 4] = centered(load_four<kVector>(
          p.x.q_u8 + offset(i % 4), i / 4 * kInstructionDepth + query_column(lane, i % 4),
          count(i % 4), kSymmetricZeroPoint));
    }
    queries.scale[0] = 1.0F;
    queries.scale[1] = 1.0F;
  } else {
    float x[kSteps * 4][4];
    float largest[2] = {};
#pragma unroll
    for (int i = 0; i < kSteps * 4; ++i) {
      load_four<kVector>(p.x.q_f32 + offset(i % 4),
                         i / 4 * kInstructionDepth + query_column(lane, i % 4), count(i % 4), 0.0F,
                         x[i]);
      largest[i % 2] = magnitude_of(x[i], largest[i % 2]);
    }
    float inv[2];
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const scalar::DynamicScale dynamic =
          scalar::symmetric_scale(fold_lanes<4>(largest[i], Largest{}));
      queries.scale[i] = dynamic.scale;
      inv[i] = dynamic.inv;
    }
#pragma unroll
    for (int i = 0; i < kSteps * 4; ++i) {
      queries.operand[i / 4][i % 4] = quantize_four(x[i], inv[i % 2]);
    }
  }
}

// Keys to shared memory with their scales. Returns the largest magnitude of the values that this
// thread met on the way, if those are to be quantized.
template <bool kStatic, bool kVector, int kSteps>
__device__ __forceinline__ float fill_keys(const Attention& p, const AttentionBlock& block) {
  const int lane = block.thread % kKeyLanes;
  float largest_value = 0.0F;
  for (int token = block.thread / kKeyLanes; token < block.padded;
       token += kAttentionThreads / kKeyLanes) {
    const std::ptrdiff_t offset = (block.first_token + token) * p.x.ld_kv + block.first_column;
    const int count = token < block.tokens ? p.x.head_dim : 0;
    std::uint32_t words[kSteps];
    float scale = count > 0 ? p.score_scale : 0.0F;
    if constexpr (kStatic) {
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        words[step] = centered(load_four<kVector>(p.x.k_u8 + offset, key_column(lane, step), count,
                                                  kSymmetricZeroPoint));
      }
    } else {
      float k[kSteps][4];
      float v[kSteps][4];
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        load_four<kVector>(p.x.k_f32 + offset, key_column(lane, step), count, 0.0F, k[step]);
        load_four<kVector>(p.x.v_f32 + offset, key_column(lane, step), count, 0.0F, v[step]);
      }
      float largest = 0.0F;
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        largest = magnitude_of(k[step], largest);
        largest_value = magnitude_of(v[step], largest_value);
      }
      const scalar::DynamicScale dynamic =
          scalar::symmetric_scale(fold_lanes<kKeyLanes>(largest, Largest{}));
      scale = dynamic.scale * p.score_scale;
#pragma unroll
      for (int step = 0; step < kSteps; ++step) {
        words[step] = quantize_four(k[step], dynamic.inv);
      }
    }
    std::byte* row = block.shared + block.layout.keys + token * key_stride(kSteps);
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      *reinterpret_cast<std::uint32_t*>(row + key_column(lane, step)) = words[step];
    }
    if (lane == 0) {
      block.key_scale()[token] = scale;
    }
  }
  return largest_value;
}

// Values, transposed, to shared memory.
template <bool kStatic, bool kVector, int kSteps>
__device__ __forceinline__ void fill_values(const Attention& p, const AttentionBlock& block,
                                            float inv) {
  const int items = block.padded / kTokenGroup * value_items(kSteps);
  for (int index = block.thread; index < items; index += kAttentionThreads) {
    const ValueItem item = value_item(index, kSteps);
    std::uint32_t rows[4];  // the elements of one token, a byte each
    const auto load = [&](int i, auto quantize) {
      const int token = item.group * kTokenGroup + word_token(item.word, i);
      const std::ptrdiff_t offset = (block.first_token + token) * p.x.ld_kv + block.first_column;
      quantize(offset, token < block.tokens ? p.x.head_dim : 0);
    };
    if constexpr (kStatic) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        load(i, [&](std::ptrdiff_t offset, int count) {
          rows[i] = centered(
              load_four<kVector>(p.x.v_u8 + offset, item.column, count, kSymmetricZeroPoint));
        });
      }
    } else {
      float x[4][4];
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        load(i, [&](std::ptrdiff_t offset, int count) {
          load_four<kVector>(p.x.v_f32 + offset, item.column, count, 0.0F, x[i]);
        });
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        rows[i] = quantize_four(x[i], inv);
      }
    }
    std::byte* to = block.shared + block.layout.values + item.column * value_stride(block.padded) +
                    item.group * kTokenGroup + item.word * 4;
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      const auto byte = [&](int token) { return rows[token] >> (8U * i) & 0xFFU; };
      *reinterpret_cast<std::uint32_t*>(to) = pack_bytes(byte(0), byte(1), byte(2), byte(3));
      to += value_stride(block.padded);
    }
  }
}

// All three. Returns the scale of the values, 1 where the launch knows it.
template <bool kStatic, bool kVector, int kSteps>
__device__ __forceinline__ float load_operands(const Attention& p, const AttentionBlock& block,
                                               Queries<kSteps>& queries) {
  const float largest = fill_keys<kStatic, kVector, kSteps>(p, block);
  scalar::DynamicScale dynamic{1.0F, 0.0F};
  if constexpr (!kStatic) {
    auto* places = reinterpret_cast<float*>(block.shared + block.layout.folds);
    dynamic = scalar::symmetric_scale(
        fold_block<kAttentionWarps>(largest, places, block.thread, Largest{}));
  }
  fill_values<kStatic, kVector, kSteps>(p, block, dynamic.inv);
  load_queries<kStatic, kVector>(p, block, queries);
  return dynamic.scale;
}

}  // namespace qe::kernels::cuda
