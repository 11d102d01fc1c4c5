// Layer normalization of a row by half a warp: each lane has one of the sixteen partial sums of
// docs/numerics.md. Device code.
#pragma once

#include <cmath>

#include "kernels/cuda/fold.h"
#include "kernels/cuda/to_float.h"
#include "kernels/scalar_math.h"

namespace qe::kernels::cuda {

inline constexpr int kRowLanes = 16;
inline constexpr int kNormThreads = 64;
inline constexpr int kNormRows = kNormThreads / kRowLanes;  // of a block
constexpr int norm_blocks(int rows) { return (rows + kNormRows - 1) / kNormRows; }

// The row and the lane of this thread. Threads without a row take part where others of their block
// have one.
struct NormPlace {
  int row, lane;
  bool inside, block_inside;
};
__device__ __forceinline__ NormPlace norm_place(int rows) {
  const int first = static_cast<int>(blockIdx.x) * kNormRows;
  const int thread = static_cast<int>(threadIdx.x);
  const int row = first + thread / kRowLanes;
  return {
      .row = row, .lane = thread % kRowLanes, .inside = row < rows, .block_inside = first < rows};
}

// The normalized elements lane, lane + 16, ... of one row: in registers, kHeld of them at most, or
// (kHeld 0) computed again from memory at every visit. `inside` is false for a lane whose row does
// not exist, and which takes part in the sums alone. X: float or Half.
template <int kHeld, class X = float>
class NormalizedRow {
 public:
  template <class Args>
  __device__ __forceinline__ NormalizedRow(const Args& args, int row, bool inside, int lane)
      : x_(args.x + row * args.ldx + lane),
        gamma_(args.gamma + lane),
        beta_(args.beta + lane),
        left_(inside ? args.cols - lane : 0) {
    const float inv_cols = 1.0F / static_cast<float>(args.cols);
    const auto add = [](float a, float b) { return a + b; };
    float sum = 0.0F;
    for_each([&](int i, float& held) {
      if constexpr (kHeld > 0) {
        held = to_float(x_[i]);
      }
      sum += held;
    });
    mean_ = fold_lanes<kRowLanes>(sum, add) * inv_cols;
    float squares = 0.0F;
    for_each([&](int /*i*/, float& held) {
      const float deviation = held - mean_;
      squares = std::fma(deviation, deviation, squares);
    });
    r_ = 1.0F / std::sqrt(std::fma(fold_lanes<kRowLanes>(squares, add), inv_cols, args.epsilon));
    if constexpr (kHeld > 0) {
      for_each([&](int i, float& held) { held = normalized(i, held); });
    }
  }

  // visit(i, value) for the elements of this lane, i counted from the first of them.
  template <class Visit>
  __device__ __forceinline__ void visit(Visit visit) {
    for_each([&](int i, float& held) {
      if constexpr (kHeld > 0) {
        visit(i, held);
      } else {
        visit(i, normalized(i, held));
      }
    });
  }

 private:
  __device__ __forceinline__ float normalized(int i, float x) const {
    return std::fma((x - mean_) * r_, __ldg(gamma_ + i), __ldg(beta_ + i));
  }

  template <class Body>
  __device__ __forceinline__ void for_each(Body body) {
    if constexpr (kHeld > 0) {
#pragma unroll
      for (int k = 0; k < kHeld; ++k) {
        if (k * kRowLanes < left_) {
          body(k * kRowLanes, held_[k]);
        }
      }
    } else {
      for (int i = 0; i < left_; i += kRowLanes) {
        float x = to_float(x_[i]);
        body(i, x);
      }
    }
  }

  const X* x_;
  const float* gamma_;
  const float* beta_;
  int left_;  // elements of the row from this lane's first on
  float mean_, r_;
  float held_[kHeld > 0 ? kHeld : 1];
};

}  // namespace qe::kernels::cuda
