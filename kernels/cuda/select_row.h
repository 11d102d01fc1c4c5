// Copying chosen rows: a block a row. Device code, and its launch.
#pragma once

#include "kernels/cuda/fours.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/row_launch.h"
#include "kernels/cuda/rows.h"

namespace qe::kernels::cuda {

inline constexpr int kCopyThreads = 64;

template <class T, bool kVector>
__global__ void __launch_bounds__(kCopyThreads)
    select_row(const __grid_constant__ SelectRows<T> args, const std::int32_t* count) {
  const int row = static_cast<int>(blockIdx.x);
  wait_for_launches_before();
  allow_next_launch();
  if (row >= row_count(args.count, count)) {
    return;
  }
  const T* x = args.x + args.rows[row] * args.ldx;
  T* y = args.y + row * args.ldy;
  for (int at = static_cast<int>(threadIdx.x) * 4; at < args.cols; at += kCopyThreads * 4) {
    float four[4];
    load_four<kVector>(x, at, args.cols, 0.0F, four);
    store_four<kVector>(y, at, args.cols, four);
  }
}

// Host code.
template <class T>
int launch_select(const SelectRows<T>& args, const std::int32_t* count, LaunchStream stream) {
  const bool aligned = aligned_fours(args.x, args.ldx) && aligned_fours(args.y, args.ldy);
  return launch_rows(aligned ? &select_row<T, true> : &select_row<T, false>, args, count,
                     args.count, kCopyThreads, 0, stream);
}

}  // namespace qe::kernels::cuda
