// Rows of halves. Each result is rounded once, when it is stored.
#include "kernels/cuda/half_rows.h"

#include <cuda_runtime.h>

#include <cmath>

#include "kernels/cuda/activate.h"
#include "kernels/cuda/half_math.h"
#include "kernels/cuda/layer_norm.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/row_launch.h"
#include "kernels/cuda/select_row.h"

namespace qe::kernels::cuda {
namespace {

template <bool kVector>
__device__ __forceinline__ void add_row(const Half* table, const std::int32_t* ids, int token,
                                        int at, int cols, float (&sum)[4]) {
  float four[4];
  const Half* row = table + static_cast<std::ptrdiff_t>(ids[token]) * cols;
  load_four<kVector>(row, at, cols, 0.0F, four);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    sum[i] += four[i];
  }
}

template <bool kVector>
__global__ void __launch_bounds__(kCopyThreads)
    embed_half(const __grid_constant__ HalfEmbedArgs args, const std::int32_t* count) {
  const int token = static_cast<int>(blockIdx.x);
  wait_for_launches_before();
  allow_next_launch();
  if (token >= row_count(args.tokens, count)) {
    return;
  }
  for (int at = static_cast<int>(threadIdx.x) * 4; at < args.cols; at += kCopyThreads * 4) {
    float sum[4] = {};
    add_row<kVector>(args.word, args.word_ids, token, at, args.cols, sum);
    add_row<kVector>(args.position, args.position_ids, token, at, args.cols, sum);
    if (args.type != nullptr) {
      add_row<kVector>(args.type, args.type_ids, token, at, args.cols, sum);
    }
    store_four<kVector>(args.out + token * args.ld_out, at, args.cols, sum);
  }
}

template <class Columns>
__global__ void __launch_bounds__(kNormThreads)
    normalize_half(const __grid_constant__ HalfNormArgs args, const std::int32_t* count) {
  wait_for_launches_before();
  allow_next_launch();
  normalize_warp_rows<Columns>(args, row_count(args.rows, count), [&](const WarpRows& rows) {
    visit_normalized<Columns>(args, rows, [&](int i, int at, const float(&y)[4]) {
      if (rows.exists(i)) {
        store_four<Columns::kVector>(rows.own(args.y, args.ldy, i), at, Columns::end(at, rows.left),
                                     y);
      }
    });
  });
}

template <bool kVector>
__global__ void __launch_bounds__(kCopyThreads)
    activate_half(const __grid_constant__ HalfActivationArgs args, const std::int32_t* count) {
  const int row = static_cast<int>(blockIdx.x);
  wait_for_launches_before();
  allow_next_launch();
  if (row >= row_count(args.rows, count)) {
    return;
  }
  Half* y_row = args.y + row * args.ldy;
  for (int at = static_cast<int>(threadIdx.x) * 4; at < args.cols; at += kCopyThreads * 4) {
    float y[4];
    load_four<kVector>(y_row, at, args.cols, 0.0F, y);
    activate(args.activation, y);
    if (args.residual != nullptr) {
      float residual[4];
      load_four<kVector>(args.residual + row * args.ld_residual, at, args.cols, 0.0F, residual);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        y[i] += residual[i];
      }
    }
    store_four<kVector>(y_row, at, args.cols, y);
  }
}

}  // namespace

int launch_embed(const HalfEmbedArgs& args, const std::int32_t* count,
                 LaunchStream stream) noexcept {
  const bool aligned = aligned_fours(args.word, args.cols) &&
                       aligned_fours(args.position, args.cols) &&
                       aligned_fours(args.type, args.cols) && aligned_fours(args.out, args.ld_out);
  return launch_rows(aligned ? &embed_half<true> : &embed_half<false>, args, count, args.tokens,
                     kCopyThreads, 0, stream);
}

int launch_layer_norm(const HalfNormArgs& args, const std::int32_t* count,
                      LaunchStream stream) noexcept {
  return launch_norm(aligned_norm(args) ? &normalize_half<NormColumns<true, 0>>
                                        : &normalize_half<NormColumns<false, 0>>,
                     args, count, stream);
}

int launch_select_rows(const SelectRows<Half>& args, const std::int32_t* count,
                       LaunchStream stream) noexcept {
  return launch_select(args, count, stream);
}

int launch_activation(const HalfActivationArgs& args, const std::int32_t* count,
                      LaunchStream stream) noexcept {
  const bool aligned =
      aligned_fours(args.y, args.ldy) && aligned_fours(args.residual, args.ld_residual);
  return launch_rows(aligned ? &activate_half<true> : &activate_half<false>, args, count, args.rows,
                     kCopyThreads, 0, stream);
}

}  // namespace qe::kernels::cuda
