// The scalar steps of dynamic quantization (docs/numerics.md), for the CPU (kernels/reference) and
// for a GPU (kernels/cuda) alike; the rules of kernels/scalar_math.h hold here too.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/math_constants.h"
#include "kernels/scalar_math.h"

namespace qe::kernels::scalar {
namespace {

// The scale of values, and what multiplies them into steps.
struct DynamicScale {
  float scale;
  float inv;
};

constexpr DynamicScale scale_of_range(float range, float steps) {
  if (range < kSmallestRange) {
    return {0.0F, 0.0F};
  }
  return {range / steps, steps / range};
}
// Of values whose largest magnitude is given, in 127 steps.
constexpr DynamicScale symmetric_scale(float absolute_maximum) {
  return scale_of_range(absolute_maximum, kSymmetricSteps);
}
// Of values that reach `height` above their floor, in 255 steps.
constexpr DynamicScale floored_scale(float height) { return scale_of_range(height, kFlooredSteps); }

// round_half_even(fma(x, inv, 128)); NaN gives 0.
constexpr std::uint8_t quantize_symmetric(float x, float inv) {
  return round_to_u8(std::fma(x, inv, static_cast<float>(kSymmetricZeroPoint)));
}
// round_half_even(clamp(fma(x, inv, -floor * inv), 0, 255)); NaN gives 0.
constexpr std::uint8_t quantize_floored(float x, float floor, float inv) {
  return round_to_u8(std::fma(x, inv, -floor * inv));
}

}  // namespace
}  // namespace qe::kernels::scalar
