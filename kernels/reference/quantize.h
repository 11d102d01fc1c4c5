// The scalar steps of dynamic quantization shared by the reference kernels (docs/numerics.md).
#pragma once

#include <cstdint>

namespace qe::kernels::reference {

// The scale of values, and what multiplies them into steps.
struct DynamicScale {
  float scale;
  float inv;
};
// Of values whose largest magnitude is given, in 127 steps.
DynamicScale symmetric_scale(float absolute_maximum) noexcept;
// Of values that reach `height` above their floor, in 255 steps.
DynamicScale floored_scale(float height) noexcept;

// The largest |x[i]|, elements that are NaN passed over; 0 for none.
float absolute_maximum(const float* x, int count) noexcept;

// round_half_even(fma(x, inv, 128)); NaN gives 0.
std::uint8_t quantize_symmetric(float x, float inv) noexcept;

}  // namespace qe::kernels::reference
