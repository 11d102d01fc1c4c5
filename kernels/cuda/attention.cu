// Fused attention: both products by mma.sync.m16n8k32 on 8-bit operands, the softmax between them
// in registers. Scores are computed twice, once for the largest of a row and once for its bytes,
// which is cheaper than keeping them. Every float operation is one of docs/numerics.md.
#include "kernels/cuda/attention.h"

#include <cuda_runtime.h>

#include <array>
#include <limits>

#include "kernels/cuda/attention_fill.h"
#include "kernels/cuda/entry.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/ptx/mma.h"
#include "kernels/cuda/ptx/shared.h"

namespace qe::kernels::cuda {
namespace {

// Scores of one group of tokens, as integers.
template <int kSteps>
__device__ __forceinline__ void score_group(int (&acc)[kGroupFragments][4],
                                            const Queries<kSteps>& queries, std::uint32_t keys,
                                            int lane) {
  const RowChunk source = minor_fragment_source(lane);
#pragma unroll
  for (int pair = 0; pair < kGroupFragments / 2; ++pair) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      std::uint32_t b[4];
      load_matrices(b, keys + static_cast<std::uint32_t>(
                                  (pair * 16 + source.row) * key_stride(kSteps) +
                                  step * kInstructionDepth + source.chunk * kChunkBytes));
      multiply<Signs::kS8S8>(acc[pair * 2], queries.operand[step], b[0], b[1]);
      multiply<Signs::kS8S8>(acc[pair * 2 + 1], queries.operand[step], b[2], b[3]);
    }
  }
}

// visit(fragment, index, score) for this lane's scores of the group that starts at `first`; those
// of tokens that do not exist are not visited.
template <int kSteps, class Visit>
__device__ __forceinline__ void for_each_score(const AttentionBlock& block,
                                               const Queries<kSteps>& queries, int first,
                                               Visit visit) {
  const int lane = block.thread % kWarpLanes;
  int acc[kGroupFragments][4] = {};
  score_group(acc, queries,
              shared_address(block.shared + block.layout.keys + first * key_stride(kSteps)), lane);
#pragma unroll
  for (int fragment = 0; fragment < kGroupFragments; ++fragment) {
    const int token = first + fragment * 8 + accumulator_column(lane, 0);
    const float2 scale = *reinterpret_cast<const float2*>(block.key_scale() + token);
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (token + i % 2 < block.tokens) {
        visit(fragment, i,
              static_cast<float>(acc[fragment][i]) *
                  (queries.scale[i / 2] * (i % 2 == 0 ? scale.x : scale.y)));
      }
    }
  }
}

// Accumulators of the context: fragments of eight elements.
template <int kSteps>
struct Context {
  int acc[kSteps * 4][4] = {};
  int sum[2] = {};  // of the bytes of two rows
};

template <int kSteps>
__device__ __forceinline__ void multiply_values(Context<kSteps>& context,
                                                const AttentionBlock& block,
                                                const std::uint32_t (&bytes)[4], int first) {
  const RowChunk source = minor_fragment_source(block.thread % kWarpLanes);
  const int stride = value_stride(block.padded);
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
}

template <int kSteps>
__device__ __forceinline__ void attend(Context<kSteps>& context, const AttentionBlock& block,
                                       const Queries<kSteps>& queries) {
  float largest[2] = {-std::numeric_limits<float>::infinity(),
                      -std::numeric_limits<float>::infinity()};
  for (int first = 0; first < block.padded; first += kTokenGroup) {
    for_each_score(block, queries, first, [&](int /*fragment*/, int i, float score) {
      largest[i / 2] = scalar::maximum(score, largest[i / 2]);
    });
  }
#pragma unroll
  for (float& row : largest) {
    row = fold_lanes<4>(row, Largest{});
  }
  for (int first = 0; first < block.padded; first += kTokenGroup) {
    std::uint32_t p[kGroupFragments][4] = {};
    for_each_score(block, queries, first, [&](int fragment, int i, float score) {
      p[fragment][i] = scalar::round_to_u8(scalar::exp_255(score - largest[i / 2]));
      context.sum[i / 2] += static_cast<int>(p[fragment][i]);
    });
    std::uint32_t bytes[4];
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const auto byte = [&](int b) {
        return p[operand_score(r, b).fragment][operand_score(r, b).index];
      };
      bytes[r] = pack_bytes(byte(0), byte(1), byte(2), byte(3));
    }
    multiply_values(context, block, bytes, first);
  }
#pragma unroll
  for (int& row : context.sum) {
    row = fold_lanes<4>(row, [](int a, int b) { return a + b; });
  }
}

template <int kSteps>
__device__ __forceinline__ void store_context(const Attention& p, const AttentionBlock& block,
                                              const Context<kSteps>& context, float value_scale) {
  const int lane = block.thread % kWarpLanes;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = block.thread / kWarpLanes * kWarpQueries + accumulator_row(lane, half * 2);
    if (row >= block.queries) {
      continue;
    }
    const float scale = 1.0F / static_cast<float>(context.sum[half]) * value_scale;
    const std::ptrdiff_t offset = (block.first_query + row) * p.x.ld_out + block.first_column;
#pragma unroll
    for (int fragment = 0; fragment < kSteps * 4; ++fragment) {
      const int column = fragment * 8 + accumulator_column(lane, 0);
      const auto first = static_cast<float>(context.acc[fragment][half * 2]);
      const auto second = static_cast<float>(context.acc[fragment][half * 2 + 1]);
      const int left = p.x.head_dim - column;
      if (p.x.out_u8 != nullptr) {
        const std::uint8_t a = scalar::round_to_u8(std::fma(first, scale, p.x.out_zero_point));
        const std::uint8_t b = scalar::round_to_u8(std::fma(second, scale, p.x.out_zero_point));
        std::uint8_t* out = p.x.out_u8 + offset + column;
        if (p.out_pairs && left >= 2) {
          *reinterpret_cast<std::uint16_t*>(out) = static_cast<std::uint16_t>(a | b << 8);
        } else {
          if (left >= 1) out[0] = a;
          if (left >= 2) out[1] = b;
        }
      } else {
        float* out = p.x.out_f32 + offset + column;
        if (p.out_pairs && left >= 2) {
          *reinterpret_cast<float2*>(out) = make_float2(first * scale, second * scale);
        } else {
          if (left >= 1) out[0] = first * scale;
          if (left >= 2) out[1] = second * scale;
        }
      }
    }
  }
}

__device__ __forceinline__ AttentionBlock block_of(const Attention& p, int steps) {
  const QueryBlock own = query_block(p.x);
  const int padded = padded_tokens(own.tokens);
  return {own, dynamic_shared(), attention_layout(padded, steps), padded,
          static_cast<int>(threadIdx.x)};
}

template <bool kStatic, int kSteps>
__global__ void __launch_bounds__(kAttentionThreads, kSteps <= 2 ? 4 : 3)
    attention(const __grid_constant__ Attention p) {
  wait_for_launches_before();
  allow_next_launch();
  if (static_cast<int>(blockIdx.x) >= *p.x.work_count) {
    return;
  }
  const AttentionBlock block = block_of(p, kSteps);
  Queries<kSteps> queries;
  const float loaded_scale = p.in_fours ? load_operands<kStatic, true>(p, block, queries)
                                        : load_operands<kStatic, false>(p, block, queries);
  __syncthreads();
  if (block.thread / kWarpLanes * kWarpQueries >= block.queries) {
    return;
  }
  Context<kSteps> context;
  attend(context, block, queries);
  store_context(p, block, context, kStatic ? p.context_scale : loaded_scale);
}

using Kernel = void (*)(Attention);

constexpr int kMaxSteps = head_steps(kMaxHeadDim);

// By steps of depth, for dynamic and for static operands.
constexpr std::array<std::array<Kernel, kMaxSteps>, 2> kernels() {
  static_assert(kMaxSteps == 4);
  return {{{&attention<false, 1>, &attention<false, 2>, &attention<false, 3>, &attention<false, 4>},
           {&attention<true, 1>, &attention<true, 2>, &attention<true, 3>, &attention<true, 4>}}};
}

// Scales in the order of operations of docs/numerics.md.
Attention attention_of(const AttentionLaunch& launch) {
  const AttentionLaunch& x = launch;
  const float inv_root = 1.0F / std::sqrt(static_cast<float>(x.head_dim));
  const bool whole_heads = x.head_dim % 4 == 0;
  const bool pairs = x.head_dim % 2 == 0 && x.ld_out % 2 == 0;
  if (x.q_u8 != nullptr) {
    return {.x = x,
            .score_scale = x.k_scale * (x.q_scale * inv_root),
            .context_scale = x.out_u8 != nullptr ? x.v_scale * x.out_inv_scale : x.v_scale,
            .in_fours = whole_heads && aligned_fours(x.q_u8, x.ld_q) &&
                        aligned_fours(x.k_u8, x.ld_kv) && aligned_fours(x.v_u8, x.ld_kv),
            .out_pairs = pairs && (x.out_u8 != nullptr ? aligned_pairs(x.out_u8)
                                                       : aligned_pairs(x.out_f32))};
  }
  return {.x = x,
          .score_scale = inv_root,
          .context_scale = 1.0F,
          .in_fours = whole_heads && aligned_fours(x.q_f32, x.ld_q) &&
                      aligned_fours(x.k_f32, x.ld_kv) && aligned_fours(x.v_f32, x.ld_kv),
          .out_pairs = pairs && aligned_pairs(x.out_f32)};
}

}  // namespace

int prepare_attention() noexcept {
  int device = 0;
  int shared_bytes = 0;
  cudaError_t error = cudaGetDevice(&device);
  if (error == cudaSuccess) {
    error = cudaDeviceGetAttribute(&shared_bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device);
  }
  for (const auto& family : kernels()) {
    for (const Kernel kernel : family) {
      if (error == cudaSuccess) {
        error =
            cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
      }
    }
  }
  return error;
}

int launch_attention(const AttentionLaunch& launch) noexcept {
  if (launch.work_capacity == 0) {
    return cudaSuccess;
  }
  LaunchConfig config(launch.work_capacity, kAttentionThreads,
                      static_cast<int>(attention_shared_bytes(launch.max_tokens, launch.head_dim)),
                      launch.stream);
  config.set_grid_rows(launch.heads);
  const Kernel kernel = kernels()[launch.q_u8 != nullptr ? 1 : 0]
                                 [static_cast<std::size_t>(head_steps(launch.head_dim) - 1)];
  return config.launch(kernel, attention_of(launch));
}

}  // namespace qe::kernels::cuda
