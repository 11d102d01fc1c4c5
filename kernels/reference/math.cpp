// The scalar float functions as ordinary ones; kernels/scalar_math.h holds their steps.
#include "kernels/reference/math.h"

#include <cmath>
#include <limits>

#include "kernels/scalar_math.h"

namespace qe::kernels::reference {

float maximum(float a, float b) noexcept { return scalar::maximum(a, b); }
float minimum(float a, float b) noexcept { return scalar::minimum(a, b); }
float exp(float x) noexcept { return scalar::exp(x); }
float exp_255(float x) noexcept { return scalar::exp_255(x); }
float tanh(float x) noexcept { return scalar::tanh(x); }
float sigmoid(float x) noexcept { return scalar::sigmoid(x); }
float silu(float x) noexcept { return scalar::silu(x); }
float gelu_erf(float x) noexcept { return scalar::gelu_erf(x); }
float gelu_tanh(float x) noexcept { return scalar::gelu_tanh(x); }
float gelu_erf_precise(float x) noexcept { return scalar::gelu_erf_precise(x); }
float gelu_tanh_precise(float x) noexcept { return scalar::gelu_tanh_precise(x); }

float largest_of(const float* x, int count) noexcept {
  float largest = -std::numeric_limits<float>::infinity();
  for (int i = 0; i < count; ++i) {
    largest = maximum(x[i], largest);
  }
  return largest;
}

float absolute_maximum(const float* x, int count) noexcept {
  float largest = 0.0F;
  for (int i = 0; i < count; ++i) {
    largest = maximum(std::fabs(x[i]), largest);
  }
  return largest;
}

std::uint8_t round_to_u8(float t) noexcept { return scalar::round_to_u8(t); }

}  // namespace qe::kernels::reference
