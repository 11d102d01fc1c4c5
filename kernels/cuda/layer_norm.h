// Layer normalization of two rows by a warp. A row comes to shared memory in pieces of four; its
// sums are those of docs/numerics.md, sixteen partial ones, so half a warp adds up each row; what
// is made of the elements is done by the whole warp again, in pieces of four. Device code.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/fold.h"
#include "kernels/cuda/fours.h"
#include "kernels/cuda/ptx/mma.h"
#include "kernels/cuda/ptx/shared.h"
#include "kernels/cuda/row_launch.h"
#include "kernels/scalar_math.h"

namespace qe::kernels::cuda {

inline constexpr int kRowLanes = 16;
inline constexpr int kWarpRows = kWarpLanes / kRowLanes;
inline constexpr int kNormWarps = 2;
inline constexpr int kNormThreads = kNormWarps * kWarpLanes;
inline constexpr int kNormRows = kNormWarps * kWarpRows;  // of a block
constexpr int norm_blocks(int rows) { return (rows + kNormRows - 1) / kNormRows; }

// Floats from row to row in shared memory: the two halves of a warp read the same column of two
// rows from different banks.
constexpr int norm_stride(int cols) { return (cols + 31) / 32 * 32 + kRowLanes; }
constexpr int norm_shared_bytes(int cols) {
  return kNormRows * norm_stride(cols) * static_cast<int>(sizeof(float));
}

struct NormStatistics {
  float mean;
  float r;  // 1 / deviation
};

// Of the row in shared memory that this half of the warp has. `inside` is false for a half without
// one, which takes part in the folds alone.
__device__ __forceinline__ NormStatistics norm_statistics(const float* row, int cols, float epsilon,
                                                          bool inside, int lane) {
  const float inv_cols = 1.0F / static_cast<float>(cols);
  const auto add = [](float a, float b) { return a + b; };
  const int end = inside ? cols : 0;
  float sum = 0.0F;
#pragma unroll 8
  for (int i = lane % kRowLanes; i < end; i += kRowLanes) {
    sum += row[i];
  }
  const float mean = fold_lanes<kRowLanes>(sum, add) * inv_cols;
  float squares = 0.0F;
#pragma unroll 8
  for (int i = lane % kRowLanes; i < end; i += kRowLanes) {
    const float deviation = row[i] - mean;
    squares = std::fma(deviation, deviation, squares);
  }
  return {mean, 1.0F / std::sqrt(std::fma(fold_lanes<kRowLanes>(squares, add), inv_cols, epsilon))};
}

// The rows of one warp: in shared memory, and what was found of them.
struct WarpRows {
  int first, count, lane;
  int left;  // columns of a row from this lane's first on
  float* shared;
  int stride;
  NormStatistics of[kWarpRows];

  __device__ __forceinline__ float* place(int i) const { return shared + i * stride; }
  __device__ __forceinline__ float* own_place(int i) const { return place(i) + lane * 4; }
  __device__ __forceinline__ bool exists(int i) const { return i < count; }
  // Row i in a matrix, from this lane's first column on.
  template <class T>
  __device__ __forceinline__ T* own(T* matrix, std::ptrdiff_t ld, int i) const {
    return whole_pointer(matrix + (first + i) * ld + lane * 4);
  }
};

// Rows of columns that are known, kKnown pieces of every lane, or (0) of any; aligned ones consist
// of whole pieces. All loops over known ones are straight code without addresses to compute.
template <bool kAligned, int kKnown>
struct NormColumns {
  static constexpr bool kVector = kAligned;
  static constexpr int kPieces = kKnown;
  static_assert(kVector || kPieces == 0);

  static __device__ __forceinline__ int end(int at, int left) {
    return piece_end<kVector>(at, left);
  }
};
constexpr int known_columns(int pieces) { return pieces * kWarpLanes * 4; }

// visit(at) for the pieces of a row that a lane of the whole warp has, counted from its first
// column.
template <class Columns, class Visit>
__device__ __forceinline__ void visit_fours(int left, Visit visit) {
  constexpr int kStep = kWarpLanes * 4;
  if constexpr (Columns::kPieces > 0) {
#pragma unroll
    for (int piece = 0; piece < Columns::kPieces; ++piece) {
      visit(piece * kStep);
    }
  } else {
#pragma unroll(Columns::kVector ? 2 : 1)
    for (int at = 0; at < left; at += kStep) {
      visit(at);
    }
  }
}

// A row of floats or halves to shared memory, from this lane's first column on. Aligned floats are
// copied asynchronously, all at once.
template <class Columns, class X>
__device__ __forceinline__ void stage_row(const X* x, int left, float* shared) {
  visit_fours<Columns>(left, [&](int at) {
    if constexpr (Columns::kVector && std::is_same_v<X, float>) {
      copy_async(shared_address(shared + at), x + at, 4 * static_cast<int>(sizeof(float)));
    } else {
      float four[4];
      load_four<Columns::kVector>(x, at, Columns::end(at, left), 0.0F, four);
      store_four<true>(shared, at, at + 4, four);
    }
  });
}

// Constants of four columns: no store keeps their loads back.
template <class Columns>
__device__ __forceinline__ void load_constants(const float* row, int at, int left, float (&v)[4]) {
  if constexpr (Columns::kVector) {
    const float4 four = __ldg(reinterpret_cast<const float4*>(row + at));
    v[0] = four.x;
    v[1] = four.y;
    v[2] = four.z;
    v[3] = four.w;
  } else {
    load_four<false>(row, at, left, 0.0F, v);
  }
}

// visit(i, at, y) with four normalized elements of row i of the warp's, `at` columns after this
// lane's first; also of a row that does not exist, so that no load waits for a question.
template <class Columns, class Args, class Visit>
__device__ __forceinline__ void visit_normalized(const Args& args, const WarpRows& rows,
                                                 Visit visit) {
  const float* gammas = whole_pointer(args.gamma + rows.lane * 4);
  const float* betas = whole_pointer(args.beta + rows.lane * 4);
  visit_fours<Columns>(rows.left, [&](int at) {
    float gamma[4];
    float beta[4];
    load_constants<Columns>(gammas, at, rows.left, gamma);
    load_constants<Columns>(betas, at, rows.left, beta);
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      float y[4];
      load_four<true>(rows.own_place(i), at, at + 4, 0.0F, y);
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        y[j] = std::fma((y[j] - rows.of[i].mean) * rows.of[i].r, gamma[j], beta[j]);
      }
      visit(i, at, y);
    }
  });
}

// finish(rows) for the rows of this warp, `count` of them in all blocks; all its lanes come.
template <class Columns, class Args, class Finish>
__device__ __forceinline__ void normalize_warp_rows(const Args& args, int count, Finish finish) {
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / kWarpLanes;
  WarpRows rows;
  rows.lane = thread % kWarpLanes;
  rows.first = (static_cast<int>(blockIdx.x) * kNormWarps + warp) * kWarpRows;
  if (rows.first >= count) {
    return;
  }
  rows.count = count - rows.first < kWarpRows ? count - rows.first : kWarpRows;
  rows.left = args.cols - rows.lane * 4;
  rows.stride = norm_stride(args.cols);
  rows.shared = reinterpret_cast<float*>(dynamic_shared()) + warp * kWarpRows * rows.stride;
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    if (rows.exists(i)) {
      stage_row<Columns>(rows.own(args.x, args.ldx, i), rows.left, rows.own_place(i));
    }
  }
  commit_copies();
  wait_copies<0>();
  __syncwarp();
  const int half = rows.lane / kRowLanes;
  const NormStatistics own =
      norm_statistics(rows.place(half), args.cols, args.epsilon, rows.exists(half), rows.lane);
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    rows.of[i] = {__shfl_sync(0xFFFFFFFFU, own.mean, i * kRowLanes),
                  __shfl_sync(0xFFFFFFFFU, own.r, i * kRowLanes)};
  }
  finish(rows);
}

// Host code: whether all rows, of inputs and y, consist of aligned pieces.
template <class Args>
bool aligned_norm(const Args& args) {
  return args.cols % 4 == 0 && aligned_fours(args.x, args.ldx) && aligned_fours(args.gamma, 0) &&
         aligned_fours(args.beta, 0) && aligned_fours(args.y, args.ldy);
}

// Host code: the launch of a kernel of norm_blocks(args.rows) blocks. The shared memory of the
// widest rows is more than a block gets unasked.
template <class Args>
int launch_norm(void (*kernel)(Args, const std::int32_t*), const Args& args,
                const std::int32_t* count, LaunchStream stream) {
  constexpr int kUnasked = 48 * 1024;
  const int bytes = norm_shared_bytes(args.cols);
  if (bytes > kUnasked) {
    const cudaError_t error = allow_all_shared(kernel);
    if (error != cudaSuccess) {
      return error;
    }
  }
  return launch_rows(kernel, args, count, norm_blocks(args.rows), kNormThreads, bytes, stream);
}

}  // namespace qe::kernels::cuda
