// Layer normalization with quantization of its result.
#include "kernels/cuda/layer_norm.h"

#include <cuda_runtime.h>

#include <cmath>
#include <limits>

#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/rows.h"
#include "kernels/scalar_quantize.h"

namespace qe::kernels::cuda {
namespace {

// Normalized rows to y, to bytes of a known scale, or to both.
template <bool kVector>
__device__ __forceinline__ void store_rows(const LayerNormArgs& args, const WarpRows& rows) {
  visit_normalized<kVector>(args, rows, [&](int i, int at, const float(&y)[4]) {
    const int row = rows.first + i;
    const int end = piece_end<kVector>(at, args.cols);
    if (args.y != nullptr) {
      store_four<kVector>(args.y + row * args.ldy, at, end, y);
    }
    if (args.q != nullptr) {
      const auto byte = [&](int j) {
        return scalar::round_to_u8(std::fma(y[j], args.inv_scale, args.zero_point));
      };
      store_four<kVector>(args.q + row * args.ldq, at, end,
                          pack_bytes(byte(0), byte(1), byte(2), byte(3)));
    }
  });
}

// The same with bytes of each row's own floor and scale: once for these, once for the bytes.
template <bool kVector>
__device__ __forceinline__ void quantize_rows(const LayerNormArgs& args, const WarpRows& rows) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  float least[kWarpRows];
  float largest[kWarpRows];
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    least[i] = kInfinity;
    largest[i] = -kInfinity;
  }
  visit_normalized<kVector>(args, rows, [&](int i, int at, const float(&y)[4]) {
    const int end = piece_end<kVector>(at, args.cols);
    if (args.y != nullptr) {
      store_four<kVector>(args.y + (rows.first + i) * args.ldy, at, end, y);
    }
    store_four<true>(rows.place(i), at, at + 4, y);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (at + j < end) {
        least[i] = scalar::minimum(y[j], least[i]);
        largest[i] = scalar::maximum(y[j], largest[i]);
      }
    }
  });
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    const int row = rows.first + i;
    const float floor = fold_lanes<kWarpLanes>(least[i], Least{}) + 0.0F;
    const scalar::DynamicScale dynamic =
        scalar::floored_scale(fold_lanes<kWarpLanes>(largest[i], Largest{}) - floor);
    if (i >= rows.count) {
      continue;
    }
    if (rows.lane == 0) {
      args.scale[row] = dynamic.scale;
      args.floor[row] = floor;
    }
    visit_fours<kVector>(args.cols, rows.lane, [&](int at) {
      float y[4];
      load_four<true>(rows.place(i), at, at + 4, 0.0F, y);
      const auto byte = [&](int j) { return scalar::quantize_floored(y[j], floor, dynamic.inv); };
      store_four<kVector>(args.q + row * args.ldq, at, piece_end<kVector>(at, args.cols),
                          pack_bytes(byte(0), byte(1), byte(2), byte(3)));
    });
  }
}

template <bool kVector>
__global__ void __launch_bounds__(kNormThreads)
    normalize_rows(const __grid_constant__ LayerNormArgs args, const std::int32_t* count) {
  wait_for_launches_before();
  allow_next_launch();
  normalize_warp_rows<kVector>(args, row_count(args.rows, count), [&](const WarpRows& rows) {
    if (args.q != nullptr && args.scale != nullptr) {
      quantize_rows<kVector>(args, rows);
    } else {
      store_rows<kVector>(args, rows);
    }
  });
}

}  // namespace

int launch_layer_norm(const LayerNormArgs& args, const std::int32_t* count,
                      LaunchStream stream) noexcept {
  const bool aligned = args.cols % 4 == 0 && aligned_fours(args.x, args.ldx) &&
                       aligned_fours(args.gamma, 0) && aligned_fours(args.beta, 0) &&
                       aligned_fours(args.y, args.ldy) && aligned_fours(args.q, args.ldq);
  return launch_norm(aligned ? &normalize_rows<true> : &normalize_rows<false>, args, count, stream);
}

}  // namespace qe::kernels::cuda
