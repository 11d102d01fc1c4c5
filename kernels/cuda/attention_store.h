// The result of the attention kernel, from accumulators to memory. Device code.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "kernels/cuda/attention_pieces.h"
#include "kernels/scalar_math.h"

namespace qe::kernels::cuda {

__device__ __forceinline__ void store_pair(float* out, float a, float b) {
  *reinterpret_cast<float2*>(out) = make_float2(a, b);
}
__device__ __forceinline__ void store_pair(std::uint8_t* out, std::uint8_t a, std::uint8_t b) {
  *reinterpret_cast<std::uint16_t*>(out) = static_cast<std::uint16_t>(a | b << 8);
}

// This lane's elements of row `half` of its two, made by finish(accumulator), to the head's row at
// `out`; pieces are pairs.
template <Heads kHeads, int kSteps, class T, class Finish>
__device__ __forceinline__ void store_row(T* out, int head_dim, const Context<kSteps>& context,
                                          int half, int lane, Finish finish) {
#pragma unroll
  for (int fragment = 0; fragment < kSteps * 4; ++fragment) {
    const int column = fragment * 8 + accumulator_column(lane, 0);
    const T first = finish(static_cast<float>(context.acc[fragment][half * 2]));
    const T second = finish(static_cast<float>(context.acc[fragment][half * 2 + 1]));
    if constexpr (kHeads == Heads::kInElements) {
      if (column < head_dim) out[column] = first;
      if (column + 1 < head_dim) out[column + 1] = second;
    } else if (kHeads == Heads::kInSteps || column < head_dim) {
      store_pair(out + column, first, second);
    }
  }
}

template <bool kStatic, int kSteps>
__device__ __forceinline__ void store_context(const Attention& p, const AttentionBlock& block,
                                              const Context<kSteps>& context, float value_scale) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = block.first_row() + accumulator_row(block.lane, half * 2);
    if (row >= block.queries) {
      continue;
    }
    const float scale =
        1.0F / static_cast<float>(context.acc[Context<kSteps>::kSums][half * 2]) * value_scale;
    const std::ptrdiff_t offset = (block.first_query + row) * p.x.ld_out + block.first_column;
    const auto store = [&](auto* out, auto finish) {
      const int head_dim = p.x.head_dim;
      if (!p.out_pairs) {
        store_row<Heads::kInElements>(out + offset, head_dim, context, half, block.lane, finish);
      } else if (head_dim < kSteps * kInstructionDepth) {
        store_row<Heads::kInPieces>(out + offset, head_dim, context, half, block.lane, finish);
      } else {
        store_row<Heads::kInSteps>(out + offset, head_dim, context, half, block.lane, finish);
      }
    };
    if (kStatic && p.x.out_u8 != nullptr) {
      store(p.x.out_u8, [&](float sum) {
        return scalar::round_to_u8(std::fma(sum, scale, p.x.out_zero_point));
      });
    } else {
      store(p.x.out_f32, [&](float sum) { return sum * scale; });
    }
  }
}

}  // namespace qe::kernels::cuda
