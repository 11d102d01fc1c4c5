// Layer normalization with quantization of its result: half a warp a row.
#include "kernels/cuda/layer_norm.h"

#include <cuda_runtime.h>

#include <cmath>
#include <limits>

#include "kernels/cuda/fold.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/row_launch.h"
#include "kernels/cuda/rows.h"
#include "kernels/scalar_quantize.h"

namespace qe::kernels::cuda {
namespace {

struct FlooredRow {
  float floor;
  scalar::DynamicScale dynamic;
};

template <int kHeld>
__device__ __forceinline__ FlooredRow floored_row(NormalizedRow<kHeld>& normalized) {
  float least = std::numeric_limits<float>::infinity();
  float largest = -least;
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
  wait_for_launches_before();
  allow_next_launch();
  const NormPlace place = norm_place(row_count(args.rows, count));
  if (!place.block_inside) {
    return;
  }
  NormalizedRow<kHeld> normalized(args, place.row, place.inside, place.lane);
  float* y_row = args.y != nullptr ? args.y + place.row * args.ldy + place.lane : nullptr;
  std::uint8_t* q_row = args.q != nullptr ? args.q + place.row * args.ldq + place.lane : nullptr;
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
    if (place.inside && place.lane == 0) {
      args.scale[place.row] = floored.dynamic.scale;
      args.floor[place.row] = floored.floor;
    }
    store([&](float y) { return scalar::quantize_floored(y, floored.floor, floored.dynamic.inv); });
  }
}

}  // namespace

int launch_layer_norm(const LayerNormArgs& args, const std::int32_t* count,
                      LaunchStream stream) noexcept {
  // Registers for the usual widths, 384, 768 and 1024.
  const auto kernel = args.cols <= 24 * kRowLanes   ? &normalize_rows<24>
                      : args.cols <= 48 * kRowLanes ? &normalize_rows<48>
                      : args.cols <= 64 * kRowLanes ? &normalize_rows<64>
                                                    : &normalize_rows<0>;
  return launch_rows(kernel, args, count, norm_blocks(args.rows), kNormThreads, 0, stream);
}

}  // namespace qe::kernels::cuda
