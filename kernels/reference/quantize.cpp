// Scalar dynamic quantization: see docs/numerics.md.
#include "kernels/reference/quantize.h"

#include <cmath>

#include "kernels/kernel_table.h"
#include "kernels/math_constants.h"
#include "kernels/reference/math.h"

namespace qe::kernels::reference {

DynamicScale symmetric_scale(float absolute_maximum) noexcept {
  if (absolute_maximum < kSmallestRange) {
    return {0.0F, 0.0F};
  }
  return {absolute_maximum / kSymmetricSteps, kSymmetricSteps / absolute_maximum};
}

DynamicScale floored_scale(float height) noexcept {
  if (height < kSmallestRange) {
    return {0.0F, 0.0F};
  }
  return {height / kFlooredSteps, kFlooredSteps / height};
}

float absolute_maximum(const float* x, int count) noexcept {
  float largest = 0.0F;
  for (int i = 0; i < count; ++i) {
    largest = maximum(std::fabs(x[i]), largest);
  }
  return largest;
}

std::uint8_t quantize_symmetric(float x, float inv) noexcept {
  return round_to_u8(std::fma(x, inv, static_cast<float>(kSymmetricZeroPoint)));
}

}  // namespace qe::kernels::reference
