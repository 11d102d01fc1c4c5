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

// Where a warp's rows go, from this lane's first column on; null for what is not wanted.
struct NormOutputs {
  float* y[kWarpRows];
  std::uint8_t* q[kWarpRows];

  __device__ __forceinline__ NormOutputs(const LayerNormArgs& args, const WarpRows& rows) {
#pragma unroll
    for (int i = 0; i < kWarpRows; ++i) {
      y[i] = args.y != nullptr && rows.exists(i) ? rows.own(args.y, args.ldy, i) : nullptr;
      q[i] = args.q != nullptr && rows.exists(i) ? rows.own(args.q, args.ldq, i) : nullptr;
    }
  }
};

// Normalized rows to y, to bytes of a known scale, or to both.
template <class Columns>
__device__ __forceinline__ void store_rows(const LayerNormArgs& args, const WarpRows& rows) {
  const NormOutputs out(args, rows);
  visit_normalized<Columns>(args, rows, [&](int i, int at, const float(&y)[4]) {
    const int end = Columns::end(at, rows.left);
    if (out.y[i] != nullptr) {
      store_four<Columns::kVector>(out.y[i], at, end, y);
    }
    if (out.q[i] != nullptr) {
      const auto byte = [&](int j) {
        return scalar::round_to_u8(std::fma(y[j], args.inv_scale, args.zero_point));
      };
      store_four<Columns::kVector>(out.q[i], at, end,
                                   pack_bytes(byte(0), byte(1), byte(2), byte(3)));
    }
  });
}

struct Extremes {
  float least = std::numeric_limits<float>::infinity();
  float largest = -std::numeric_limits<float>::infinity();
};

// The same with bytes of each row's own floor and scale: once for these, once for the bytes.
template <class Columns>
__device__ __forceinline__ void quantize_rows(const LayerNormArgs& args, const WarpRows& rows) {
  const NormOutputs out(args, rows);
  Extremes extremes[kWarpRows];
  visit_normalized<Columns>(args, rows, [&](int i, int at, const float(&y)[4]) {
    const int end = Columns::end(at, rows.left);
    if (out.y[i] != nullptr) {
      store_four<Columns::kVector>(out.y[i], at, end, y);
    }
    store_four<true>(rows.own_place(i), at, at + 4, y);
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      if (at + j < end) {
        extremes[i].least = Least{}(y[j], extremes[i].least);
        extremes[i].largest = Largest{}(y[j], extremes[i].largest);
      }
    }
  });
#pragma unroll
  for (int i = 0; i < kWarpRows; ++i) {
    const float floor = fold_lanes<kWarpLanes>(extremes[i].least, Least{}) + 0.0F;
    const scalar::DynamicScale dynamic =
        scalar::floored_scale(fold_lanes<kWarpLanes>(extremes[i].largest, Largest{}) - floor);
    if (!rows.exists(i)) {
      continue;
    }
    if (rows.lane == 0) {
      args.scale[rows.first + i] = dynamic.scale;
      args.floor[rows.first + i] = floor;
    }
    visit_fours<Columns>(rows.left, [&](int at) {
      float y[4];
      load_four<true>(rows.own_place(i), at, at + 4, 0.0F, y);
      const auto byte = [&](int j) { return scalar::quantize_floored(y[j], floor, dynamic.inv); };
      store_four<Columns::kVector>(out.q[i], at, Columns::end(at, rows.left),
                                   pack_bytes(byte(0), byte(1), byte(2), byte(3)));
    });
  }
}

template <class Columns>
__global__ void __launch_bounds__(kNormThreads)
    normalize_rows(const __grid_constant__ LayerNormArgs args, const std::int32_t* count) {
  wait_for_launches_before();
  allow_next_launch();
  normalize_warp_rows<Columns>(args, row_count(args.rows, count), [&](const WarpRows& rows) {
    if (args.q != nullptr && args.scale != nullptr) {
      quantize_rows<Columns>(args, rows);
    } else {
      store_rows<Columns>(args, rows);
    }
  });
}

}  // namespace

int launch_layer_norm(const LayerNormArgs& args, const std::int32_t* count,
                      LaunchStream stream) noexcept {
  const bool aligned = aligned_norm(args) && aligned_fours(args.q, args.ldq);
  const auto kernel = !aligned                        ? &normalize_rows<NormColumns<false, 0>>
                      : args.cols == known_columns(3) ? &normalize_rows<NormColumns<true, 3>>
                      : args.cols == known_columns(6) ? &normalize_rows<NormColumns<true, 6>>
                      : args.cols == known_columns(8) ? &normalize_rows<NormColumns<true, 8>>
                                                      : &normalize_rows<NormColumns<true, 0>>;
  return launch_norm(kernel, args, count, stream);
}

}  // namespace qe::kernels::cuda
