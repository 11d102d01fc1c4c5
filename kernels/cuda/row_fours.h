// A row of floats in pieces of four, shared out to the threads of a block. Device code.
#pragma once

#include <limits>

#include "kernels/cuda/fours.h"

namespace qe::kernels::cuda {

// Pieces of four elements of one row, thread after thread: in registers, kHeld of them at most, or
// (kHeld 0) read at every visit. What lies beyond the row is NaN, which extremes pass over; an
// aligned row (kVector) consists of whole pieces.
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
    load_four<kVector>(x_, at, piece_end<kVector>(at, cols_),
                       std::numeric_limits<float>::quiet_NaN(), four);
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

}  // namespace qe::kernels::cuda
