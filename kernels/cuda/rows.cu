// Row kernels: one float operation of docs/numerics.md after the other, as kernels/reference has
// them. Layer normalization gives a row to half a warp, quantization to a warp or, where rows are
// wide, to four.
#include "kernels/cuda/rows.h"

#include <cuda_runtime.h>

#include <limits>

#include "kernels/cuda/entry.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/fours.h"
#include "kernels/cuda/layer_norm.h"
#include "kernels/cuda/ptx/shared.h"
#include "kernels/scalar_quantize.h"

namespace qe::kernels::cuda {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Least {
  __device__ __forceinline__ float operator()(float a, float b) const {
    return scalar::minimum(a, b);
  }
};
struct Largest {
  __device__ __forceinline__ float operator()(float a, float b) const {
    return scalar::maximum(a, b);
  }
};

__device__ __forceinline__ int row_count(int capacity, const std::int32_t* count) {
  const int rows = __ldg(count);
  return rows < capacity ? rows : capacity;
}

// Layer normalization.

constexpr int kNormThreads = 64;
constexpr int kNormRows = kNormThreads / kRowLanes;

struct FlooredRow {
  float floor;
  scalar::DynamicScale dynamic;
};

template <int kHeld>
__device__ __forceinline__ FlooredRow floored_row(NormalizedRow<kHeld>& normalized) {
  float least = kInfinity;
  float largest = -kInfinity;
  normalized.visit([&](int /*i*/, float y) {
    least = scalar::minimum(y, least);
    largest = scalar::maximum(y, largest);
  });
  const float floor = fold_lanes<kRowLanes>(least, Least{}) + 0.0F;
  return {floor, scalar::floored_scale(fold_lanes<kRowLanes>(largest, Largest{}) - floor)};
}

template <int kHeld>
__global__ void __launch_bounds__(kNormThreads)
    normalize_rows(const __grid_constant__ LayerNormArgs args, const std::int32_t* count) {
  const int rows = row_count(args.rows, count);
  const int first = static_cast<int>(blockIdx.x) * kNormRows;
  if (first >= rows) {
    return;
  }
  const int lane = static_cast<int>(threadIdx.x) % kRowLanes;
  const int row = first + static_cast<int>(threadIdx.x) / kRowLanes;
  const bool inside = row < rows;
  NormalizedRow<kHeld> normalized(args, row, inside, lane);
  float* y_row = args.y != nullptr ? args.y + row * args.ldy + lane : nullptr;
  std::uint8_t* q_row = args.q != nullptr ? args.q + row * args.ldq + lane : nullptr;
  const auto store = [&](auto byte) {
    normalized.visit([&](int i, float y) {
      q_row[i] = byte(y);
      if (y_row != nullptr) {
        y_row[i] = y;
      }
    });
  };
  if (args.q == nullptr) {
    normalized.visit([&](int i, float y) { y_row[i] = y; });
  } else if (args.scale == nullptr) {
    store(
        [&](float y) { return scalar::round_to_u8(std::fma(y, args.inv_scale, args.zero_point)); });
  } else {
    const FlooredRow floored = floored_row(normalized);
    if (inside && lane == 0) {
      args.scale[row] = floored.dynamic.scale;
      args.floor[row] = floored.floor;
    }
    store([&](float y) { return scalar::quantize_floored(y, floored.floor, floored.dynamic.inv); });
  }
}

// Quantization.

// Pieces of four elements of one row, thread after thread: in registers, kHeld of them at most, or
// (kHeld 0) read at every visit. What lies beyond the row is NaN, which extremes pass over.
template <int kThreads, int kHeld, bool kVector>
class RowFours {
 public:
  __device__ __forceinline__ RowFours(const float* x, int cols, int thread)
      : x_(x), cols_(cols), thread_(thread) {
    if constexpr (kHeld > 0) {
      for_each([&](int at, float(&four)[4]) { load(at, four); });
    }
  }

  // visit(at, four) for the pieces of this thread.
  template <class Visit>
  __device__ __forceinline__ void visit(Visit visit) {
    for_each([&](int at, float(&four)[4]) {
      if constexpr (kHeld == 0) {
        load(at, four);
      }
      visit(at, four);
    });
  }

  // The extreme value that `combine` picks, of this thread's elements.
  template <class Combine>
  __device__ __forceinline__ float extreme(float start, Combine combine) {
    float result = start;
    visit([&](int /*at*/, const float(&four)[4]) {
#pragma unroll
      for (const float x : four) {
        result = combine(x, result);
      }
    });
    return result;
  }

 private:
  __device__ __forceinline__ void load(int at, float (&four)[4]) const {
    load_four<kVector>(x_, at, cols_, std::numeric_limits<float>::quiet_NaN(), four);
  }

  template <class Body>
  __device__ __forceinline__ void for_each(Body body) {
    if constexpr (kHeld > 0) {
#pragma unroll
      for (int k = 0; k < kHeld; ++k) {
        if ((k * kThreads + thread_) * 4 < cols_) {
          body((k * kThreads + thread_) * 4, held_[k]);
        }
      }
    } else {
      for (int at = thread_ * 4; at < cols_; at += kThreads * 4) {
        float four[4];
        body(at, four);
      }
    }
  }

  const float* x_;
  int cols_, thread_;
  float held_[kHeld > 0 ? kHeld : 1][4];
};

template <int kWarps, int kHeld, bool kVector>
__global__ void __launch_bounds__(kWarps* kWarpLanes)
    quantize_row(const __grid_constant__ QuantizeRowsArgs args, const std::int32_t* count) {
  const int row = static_cast<int>(blockIdx.x);
  if (row >= row_count(args.rows, count)) {
    return;
  }
  const int thread = static_cast<int>(threadIdx.x);
  auto* places = reinterpret_cast<float*>(dynamic_shared());
  RowFours<kWarps * kWarpLanes, kHeld, kVector> x(args.x + row * args.ldx, args.cols, thread);
  const auto store = [&](auto byte) {
    std::uint8_t* q = args.q + row * args.ldq;
    x.visit([&](int at, const float(&four)[4]) {
      store_four<kVector>(q, at, args.cols,
                          pack_bytes(byte(four[0]), byte(four[1]), byte(four[2]), byte(four[3])));
    });
  };
  if (args.scheme == RowScheme::kStatic) {
    store(
        [&](float v) { return scalar::round_to_u8(std::fma(v, args.inv_scale, args.zero_point)); });
  } else if (args.scheme == RowScheme::kSymmetric) {
    const auto magnitude = [](float v, float m) { return scalar::maximum(std::fabs(v), m); };
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

// Embeddings and choices of rows: a block a row.

constexpr int kCopyThreads = 64;

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
  const std::int32_t id = __ldg(ids + token);
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
__global__ void __launch_bounds__(kCopyThreads)
    select_row(const __grid_constant__ SelectRowsArgs args, const std::int32_t* count) {
  const int row = static_cast<int>(blockIdx.x);
  if (row >= row_count(args.count, count)) {
    return;
  }
  const float* x = args.x + __ldg(args.rows + row) * args.ldx;
  float* y = args.y + row * args.ldy;
  for (int at = static_cast<int>(threadIdx.x) * 4; at < args.cols; at += kCopyThreads * 4) {
    float four[4];
    load_four<kVector>(x, at, args.cols, 0.0F, four);
    store_four<kVector>(y, at, args.cols, four);
  }
}

// Launches.

template <class Args>
int launch(void (*kernel)(Args, const std::int32_t*), const Args& args, const std::int32_t* count,
           int blocks, int threads, int shared_bytes, CUstream_st* stream) {
  if (blocks == 0) {
    return cudaSuccess;
  }
  const cudaLaunchConfig_t config = launch_config(blocks, threads, shared_bytes, stream);
  return cudaLaunchKernelEx(&config, kernel, args, count);
}

template <bool kVector>
int launch_quantize(const QuantizeRowsArgs& args, const std::int32_t* count, CUstream_st* stream) {
  constexpr int kHeld = 8;
  constexpr int kWarps = 4;
  constexpr int kThreads = kWarps * kWarpLanes;
  constexpr int kShared = 2 * kWarps * static_cast<int>(sizeof(float));
  if (args.cols <= kWarpLanes * 4 * kHeld) {
    return launch(&quantize_row<1, kHeld, kVector>, args, count, args.rows, kWarpLanes, kShared,
                  stream);
  }
  if (args.cols <= kThreads * 4 * kHeld) {
    return launch(&quantize_row<kWarps, kHeld, kVector>, args, count, args.rows, kThreads, kShared,
                  stream);
  }
  return launch(&quantize_row<kWarps, 0, kVector>, args, count, args.rows, kThreads, kShared,
                stream);
}

bool aligned_table(const EmbeddingTable& table, int cols) {
  return aligned_fours(table.rows, cols);
}

}  // namespace

int launch_embed(const EmbedArgs& args, const std::int32_t* count, CUstream_st* stream) noexcept {
  const bool aligned = aligned_table(args.word, args.cols) &&
                       aligned_table(args.position, args.cols) &&
                       aligned_table(args.type, args.cols) && aligned_fours(args.out, args.ld_out);
  return launch(aligned ? &embed_token<true> : &embed_token<false>, args, count, args.tokens,
                kCopyThreads, 0, stream);
}

int launch_layer_norm(const LayerNormArgs& args, const std::int32_t* count,
                      CUstream_st* stream) noexcept {
  // Registers for the usual widths, 384, 768 and 1024.
  const auto kernel = args.cols <= 24 * kRowLanes   ? &normalize_rows<24>
                      : args.cols <= 48 * kRowLanes ? &normalize_rows<48>
                      : args.cols <= 64 * kRowLanes ? &normalize_rows<64>
                                                    : &normalize_rows<0>;
  return launch(kernel, args, count, (args.rows + kNormRows - 1) / kNormRows, kNormThreads, 0,
                stream);
}

int launch_quantize_rows(const QuantizeRowsArgs& args, const std::int32_t* count,
                         CUstream_st* stream) noexcept {
  const bool aligned = aligned_fours(args.x, args.ldx) && aligned_fours(args.q, args.ldq);
  return aligned ? launch_quantize<true>(args, count, stream)
                 : launch_quantize<false>(args, count, stream);
}

int launch_select_rows(const SelectRowsArgs& args, const std::int32_t* count,
                       CUstream_st* stream) noexcept {
  const bool aligned = aligned_fours(args.x, args.ldx) && aligned_fours(args.y, args.ldy);
  return launch(aligned ? &select_row<true> : &select_row<false>, args, count, args.count,
                kCopyThreads, 0, stream);
}

}  // namespace qe::kernels::cuda
