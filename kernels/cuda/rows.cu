// Row kernels but for layer normalization (layer_norm.cu): one float operation of docs/numerics.md
// after the other, as kernels/reference has them. Quantization gives a row to a warp or, where rows
// are wide, to four.
#include "kernels/cuda/rows.h"

#include <cuda_runtime.h>

#include <cmath>
#include <limits>

#include "kernels/cuda/fold.h"
#include "kernels/cuda/fours.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/ptx/shared.h"
#include "kernels/cuda/row_fours.h"
#include "kernels/cuda/row_launch.h"
#include "kernels/cuda/select_row.h"
#include "kernels/scalar_quantize.h"

namespace qe::kernels::cuda {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

template <int kWarps, int kHeld, bool kVector>
__global__ void __launch_bounds__(kWarps* kWarpLanes)
    quantize_row(const __grid_constant__ QuantizeRowsArgs args, const std::int32_t* count) {
  const int row = static_cast<int>(blockIdx.x);
  wait_for_launches_before();
  allow_next_launch();
  if (row >= row_count(args.rows, count)) {
    return;
  }
  const int thread = static_cast<int>(threadIdx.x);
  auto* places = reinterpret_cast<float*>(dynamic_shared());
  RowFours<kWarps * kWarpLanes, kHeld, kVector> x(args.x + row * args.ldx, args.cols, thread);
  const auto store = [&](auto byte) {
    std::uint8_t* q = args.q + row * args.ldq;
    x.visit([&](int at, const float(&four)[4]) {
      store_four<kVector>(q, at, piece_end<kVector>(at, args.cols),
                          pack_bytes(byte(four[0]), byte(four[1]), byte(four[2]), byte(four[3])));
    });
  };
  if (args.scheme == RowScheme::kStatic) {
    store(
        [&](float v) { return scalar::round_to_u8(std::fma(v, args.inv_scale, args.zero_point)); });
  } else if (args.scheme == RowScheme::kSymmetric) {
    const auto magnitude = [](float v, float m) { return Largest{}(std::fabs(v), m); };
    const scalar::DynamicScale dynamic = scalar::symmetric_scale(
        fold_block<kWarps>(x.extreme(0.0F, magnitude), places, thread, Largest{}));
    if (thread == 0) {
      args.scale[row] = dynamic.scale;
    }
    store([&](float v) { return scalar::quantize_symmetric(v, dynamic.inv); });
  } else {
    float floor = args.known_floor;
    if (args.scheme == RowScheme::kOwnFloor) {
      floor = fold_block<kWarps>(x.extreme(kInfinity, Least{}), places, thread, Least{}) + 0.0F;
    }
    const scalar::DynamicScale dynamic = scalar::floored_scale(
        fold_block<kWarps>(x.extreme(-kInfinity, Largest{}), places + kWarps, thread, Largest{}) -
        floor);
    if (thread == 0) {
      args.scale[row] = dynamic.scale;
      if (args.scheme == RowScheme::kOwnFloor) {
        args.floor[row] = floor;
      }
    }
    store([&](float v) { return scalar::quantize_floored(v, floor, dynamic.inv); });
  }
}

// Embeddings: a block a row.

// One row of a table, and its scale.
struct TableRow {
  const std::uint8_t* bytes;
  float scale;
};
__device__ __forceinline__ TableRow table_row(const EmbeddingTable& table, const std::int32_t* ids,
                                              int token, int cols) {
  if (table.rows == nullptr) {
    return {nullptr, 0.0F};
  }
  const std::int32_t id = ids[token];
  return {
      reinterpret_cast<const std::uint8_t*>(table.rows) + static_cast<std::ptrdiff_t>(id) * cols,
      __ldg(table.scale + id)};
}

// sum = combine(value, scale, sum) for four elements of a row.
template <bool kVector, class Combine>
__device__ __forceinline__ void add_row(const TableRow& row, int at, int cols, float (&sum)[4],
                                        Combine combine) {
  const std::uint32_t word = load_four<kVector>(row.bytes, at, cols, 0);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const auto value = static_cast<std::int8_t>(word >> (8U * static_cast<unsigned>(i)));
    sum[i] = combine(static_cast<float>(value), row.scale, sum[i]);
  }
}

template <bool kVector>
__global__ void __launch_bounds__(kCopyThreads)
    embed_token(const __grid_constant__ EmbedArgs args, const std::int32_t* count) {
  const int token = static_cast<int>(blockIdx.x);
  wait_for_launches_before();
  allow_next_launch();
  if (token >= row_count(args.tokens, count)) {
    return;
  }
  const TableRow word = table_row(args.word, args.word_ids, token, args.cols);
  const TableRow position = table_row(args.position, args.position_ids, token, args.cols);
  const TableRow type = table_row(args.type, args.type_ids, token, args.cols);
  const auto first = [](float value, float scale, float /*sum*/) { return value * scale; };
  const auto next = [](float value, float scale, float sum) { return std::fma(value, scale, sum); };
  float* out = args.out + token * args.ld_out;
  for (int at = static_cast<int>(threadIdx.x) * 4; at < args.cols; at += kCopyThreads * 4) {
    float sum[4] = {};
    add_row<kVector>(word, at, args.cols, sum, first);
    if (position.bytes != nullptr) {
      add_row<kVector>(position, at, args.cols, sum, next);
    }
    if (type.bytes != nullptr) {
      add_row<kVector>(type, at, args.cols, sum, next);
    }
    store_four<kVector>(out, at, args.cols, sum);
  }
}

template <bool kVector>
int launch_quantize(const QuantizeRowsArgs& args, const std::int32_t* count, LaunchStream stream) {
  constexpr int kHeld = 8;
  constexpr int kWarps = 4;
  constexpr int kThreads = kWarps * kWarpLanes;
  constexpr int kShared = 2 * kWarps * static_cast<int>(sizeof(float));
  if (args.cols <= kWarpLanes * 4 * kHeld) {
    return launch_rows(&quantize_row<1, kHeld, kVector>, args, count, args.rows, kWarpLanes,
                       kShared, stream);
  }
  if (args.cols <= kThreads * 4 * kHeld) {
    return launch_rows(&quantize_row<kWarps, kHeld, kVector>, args, count, args.rows, kThreads,
                       kShared, stream);
  }
  return launch_rows(&quantize_row<kWarps, 0, kVector>, args, count, args.rows, kThreads, kShared,
                     stream);
}

bool aligned_table(const EmbeddingTable& table, int cols) {
  return aligned_fours(table.rows, cols);
}

}  // namespace

// One kernel for all: they are compiled for the same architectures.
int waits_for_launches(bool& waits) noexcept {
  constexpr int kSince = 90;
  cudaFuncAttributes attributes;
  const cudaError_t error = cudaFuncGetAttributes(&attributes, &embed_token<true>);
  waits = error == cudaSuccess && attributes.ptxVersion >= kSince;
  return error;
}

int launch_embed(const EmbedArgs& args, const std::int32_t* count, LaunchStream stream) noexcept {
  const bool aligned = aligned_table(args.word, args.cols) &&
                       aligned_table(args.position, args.cols) &&
                       aligned_table(args.type, args.cols) && aligned_fours(args.out, args.ld_out);
  return launch_rows(aligned ? &embed_token<true> : &embed_token<false>, args, count, args.tokens,
                     kCopyThreads, 0, stream);
}

int launch_quantize_rows(const QuantizeRowsArgs& args, const std::int32_t* count,
                         LaunchStream stream) noexcept {
  const bool aligned =
      args.cols % 4 == 0 && aligned_fours(args.x, args.ldx) && aligned_fours(args.q, args.ldq);
  return aligned ? launch_quantize<true>(args, count, stream)
                 : launch_quantize<false>(args, count, stream);
}

int launch_select_rows(const SelectRowsArgs& args, const std::int32_t* count,
                       LaunchStream stream) noexcept {
  return launch_select(args, count, stream);
}

}  // namespace qe::kernels::cuda
