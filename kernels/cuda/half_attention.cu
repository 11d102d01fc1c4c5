// Fused attention by mma.sync.m16n8k16 on halves. The softmax is kept up to date from tile to tile:
// when a row meets a larger score, what it has summed so far is scaled down to it.
#include "kernels/cuda/half_attention.h"

#include <cuda_runtime.h>

#include <cmath>
#include <limits>

#include "kernels/cuda/entry.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/half_attention_fill.h"
#include "kernels/cuda/half_math.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/ptx/mma.h"
#include "kernels/cuda/ptx/shared.h"
#include "kernels/scalar_math.h"

namespace qe::kernels::cuda {
namespace {

constexpr int kFragments = kTileTokens / 8;  // of scores

// What a warp has of its rows: unscaled context, and of two rows a lane the largest score and the
// sum of probabilities (this lane's part of it).
template <int kSteps>
struct Rows {
  float context[kSteps * 2][4] = {};
  float largest[2] = {-std::numeric_limits<float>::infinity(),
                      -std::numeric_limits<float>::infinity()};
  float sum[2] = {};
};

template <int kSteps>
__device__ __forceinline__ void score_tile(const std::uint32_t (&queries)[kSteps][4],
                                           std::uint32_t keys, int lane,
                                           float (&scores)[kFragments][4]) {
  const RowChunk source = minor_fragment_source(lane);
#pragma unroll
  for (int pair = 0; pair < kFragments / 2; ++pair) {
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      std::uint32_t b[4];
      load_matrices(
          b, keys + static_cast<std::uint32_t>(((pair * 16 + source.row) * tile_stride(kSteps) +
                                                step * kHalfDepth + source.chunk * kPiece) *
                                               2));
      multiply_halves(scores[pair * 2], queries[step], b[0], b[1]);
      multiply_halves(scores[pair * 2 + 1], queries[step], b[2], b[3]);
    }
  }
}

// Where halves have overflowed the result must show it: exp() alone passes over NaN.
__device__ __forceinline__ float probability(float x) { return x == x ? scalar::exp(x) : x; }

// Scores become probabilities relative to the largest score so far.
template <int kSteps>
__device__ __forceinline__ void take_softmax(Rows<kSteps>& rows, float (&scores)[kFragments][4],
                                             float scale, int left, int lane) {
  float largest[2] = {rows.largest[0], rows.largest[1]};
#pragma unroll
  for (int i = 0; i < kFragments * 4; ++i) {
    const int token = i / 4 * 8 + lane % 4 * 2 + i % 2;
    float& score = scores[i / 4][i % 4];
    score = token < left ? score * scale : -std::numeric_limits<float>::infinity();
    largest[i % 4 / 2] = scalar::maximum(score, largest[i % 4 / 2]);
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    largest[half] = fold_lanes<4>(largest[half], Largest{});
    const float shrink = scalar::exp(rows.largest[half] - largest[half]);
    rows.largest[half] = largest[half];
    rows.sum[half] *= shrink;
#pragma unroll
    for (int fragment = 0; fragment < kSteps * 2; ++fragment) {
      rows.context[fragment][half * 2] *= shrink;
      rows.context[fragment][half * 2 + 1] *= shrink;
    }
  }
#pragma unroll
  for (int i = 0; i < kFragments * 4; ++i) {
    const int token = i / 4 * 8 + lane % 4 * 2 + i % 2;
    float& score = scores[i / 4][i % 4];
    score = token < left ? probability(score - largest[i % 4 / 2]) : 0.0F;
    rows.sum[i % 4 / 2] += score;
  }
}

// A lane's probabilities are its operand of the second product as they are.
template <int kSteps>
__device__ __forceinline__ void add_values(Rows<kSteps>& rows, const float (&scores)[kFragments][4],
                                           std::uint32_t values, int lane) {
  const RowChunk source = major_fragment_source(lane);
#pragma unroll
  for (int group = 0; group < kTileTokens / kHalfDepth; ++group) {
    std::uint32_t a[4];
#pragma unroll
    for (int r = 0; r < 4; ++r) {
      const float* pair = scores[group * 2 + r / 2] + r % 2 * 2;
      a[r] = pack_halves(pair[0], pair[1]);
    }
#pragma unroll
    for (int step = 0; step < kSteps; ++step) {
      std::uint32_t b[4];
      load_matrices_transposed(
          b, values + static_cast<std::uint32_t>(
                          ((group * kHalfDepth + source.row) * tile_stride(kSteps) +
                           step * kHalfDepth + source.chunk * kPiece) *
                          2));
      multiply_halves(rows.context[step * 2], a, b[0], b[1]);
      multiply_halves(rows.context[step * 2 + 1], a, b[2], b[3]);
    }
  }
}

template <int kSteps>
__device__ __forceinline__ void store_context(const HalfAttentionLaunch& x, const QueryBlock& block,
                                              const Rows<kSteps>& rows, int first_row, int lane) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const float sum = fold_lanes<4>(rows.sum[half], [](float a, float b) { return a + b; });
    const float inverse = 1.0F / sum;
    const int row = first_row + lane / 4 + half * 8;
    Half* out = x.out + (block.first_query + row) * x.ld_out + block.first_column;
#pragma unroll
    for (int i = 0; i < kSteps * 4; ++i) {
      const int column = i / 2 * 8 + lane % 4 * 2 + i % 2;
      if (row < block.queries && column < x.head_dim) {
        out[column] = to_half(rows.context[i / 2][half * 2 + i % 2] * inverse);
      }
    }
  }
}

template <int kSteps>
__global__ void __launch_bounds__(kAttentionThreads)
    half_attention(const __grid_constant__ HalfAttention p) {
  wait_for_launches_before();
  allow_next_launch();
  if (static_cast<int>(blockIdx.x) >= *p.x.work_count) {
    return;
  }
  const QueryBlock block = query_block(p.x);
  const int lane = static_cast<int>(threadIdx.x) % kWarpLanes;
  const int first_row = static_cast<int>(threadIdx.x) / kWarpLanes * kWarpQueries;
  auto* keys = reinterpret_cast<Half*>(dynamic_shared());
  auto* values = reinterpret_cast<Half*>(dynamic_shared() + tile_bytes(kSteps));
  std::uint32_t queries[kSteps][4];
  load_queries<kSteps>(p.x, block, first_row, lane, queries);
  Rows<kSteps> rows;
  for (int first = 0; first < block.tokens; first += kTileTokens) {
    fill_tile<kSteps>(p, block, p.x.k, first, keys);
    fill_tile<kSteps>(p, block, p.x.v, first, values);
    __syncthreads();
    if (first_row < block.queries) {
      float scores[kFragments][4] = {};
      score_tile<kSteps>(queries, shared_address(keys), lane, scores);
      take_softmax(rows, scores, p.scale, block.tokens - first, lane);
      add_values(rows, scores, shared_address(values), lane);
    }
    __syncthreads();
  }
  if (first_row < block.queries) {
    store_context(p.x, block, rows, first_row, lane);
  }
}

}  // namespace

int launch_attention(const HalfAttentionLaunch& launch) noexcept {
  if (launch.work_capacity == 0) {
    return cudaSuccess;
  }
  static_assert(kMaxHeadDim == 8 * kHalfDepth);
  const int steps = launch.head_dim <= 2 * kHalfDepth   ? 2
                    : launch.head_dim <= 4 * kHalfDepth ? 4
                                                        : 8;
  const auto kernel = steps == 2   ? &half_attention<2>
                      : steps == 4 ? &half_attention<4>
                                   : &half_attention<8>;
  LaunchConfig config(launch.work_capacity, kAttentionThreads, 2 * tile_bytes(steps),
                      launch.stream);
  config.set_grid_rows(launch.heads);
  const auto in_pieces = [&](const Half* rows) {
    return reinterpret_cast<std::uintptr_t>(rows) % 16 == 0;
  };
  return config.launch(
      kernel,
      HalfAttention{.x = launch,
                    .scale = 1.0F / std::sqrt(static_cast<float>(launch.head_dim)),
                    .in_pieces = launch.head_dim % kPiece == 0 && launch.ld_kv % kPiece == 0 &&
                                 in_pieces(launch.k) && in_pieces(launch.v)});
}

}  // namespace qe::kernels::cuda
