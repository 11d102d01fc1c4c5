// Scalar float functions: see docs/numerics.md for the derivation of each step. Every multiply-add
// is a single fused operation, spelled std::fma.
#include "kernels/reference/math.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <limits>

#include "kernels/math_constants.h"

namespace qe::kernels::reference {
namespace {

template <std::size_t kTerms>
float polynomial(const float (&c)[kTerms], float x) {
  float p = c[kTerms - 1];
  for (std::size_t i = kTerms - 1; i > 0; --i) {
    p = std::fma(p, x, c[i - 1]);
  }
  return p;
}

// x Phi(x), Phi(x) = clamp(1/2 + x P(x^2 - center), 0, 1). Every P has a positive leading
// coefficient, so that Phi leaves [0, 1] on the right side far from zero.
template <std::size_t kTerms>
float gelu(const float (&c)[kTerms], float center, float x) {
  const float v = std::fma(x, x, -center);
  const float phi = std::fma(x, polynomial(c, v), 0.5F);
  return x * minimum(maximum(phi, 0.0F), 1.0F);
}

// factor * exp(x), x = n ln 2 + r: the polynomial gives factor * exp(r), and n, left in the low
// mantissa bits by a large addend, goes to the exponent.
template <std::size_t kTerms>
float scaled_exp(const float (&c)[kTerms], float factor, float x) {
  const float shifted = std::fma(x, kLog2E, kRoundMagic);
  const float r = std::fma(shifted - kRoundMagic, kMinusLn2, x);
  const float p = std::fma(polynomial(c, r), r, factor);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) +
                              (std::bit_cast<std::uint32_t>(shifted) << 23U));
}

}  // namespace

float maximum(float a, float b) noexcept { return a > b ? a : b; }
float minimum(float a, float b) noexcept { return a < b ? a : b; }

float exp(float x) noexcept {
  return scaled_exp(kExp, 1.0F, minimum(maximum(x, kExpLow), kExpHigh));
}

float exp_255(float x) noexcept { return scaled_exp(kExp255, 255.0F, maximum(x, kExpLow)); }

float tanh(float x) noexcept {
  const float magnitude = std::fabs(x);
  const float e = exp(-2.0F * magnitude);
  const float large = std::copysign((1.0F - e) / (1.0F + e), x);
  const float square = x * x;
  const float small = std::fma(x * square, polynomial(kTanh, square), x);
  return magnitude > kTanhSplit ? large : small;
}

float sigmoid(float x) noexcept { return 1.0F / (1.0F + exp(-x)); }
float silu(float x) noexcept { return x / (1.0F + exp(-x)); }

float gelu_erf(float x) noexcept { return gelu(kPhiQuick, kPhiQuickCenter, x); }
float gelu_tanh(float x) noexcept { return gelu(kTanhPhiQuick, kTanhPhiQuickCenter, x); }
float gelu_erf_precise(float x) noexcept { return gelu(kPhi, kPhiCenter, x); }

float gelu_tanh_precise(float x) noexcept {
  const float slope = std::fma(x * x, kGeluTanhCubic, kGeluTanhLinear);
  const float half = 0.5F * x;
  return std::fma(half, tanh(x * slope), half);
}

float largest_of(const float* x, int count) noexcept {
  float largest = -std::numeric_limits<float>::infinity();
  for (int i = 0; i < count; ++i) {
    largest = maximum(x[i], largest);
  }
  return largest;
}

std::uint8_t round_to_u8(float t) noexcept {
  return static_cast<std::uint8_t>(std::nearbyint(minimum(maximum(t, 0.0F), 255.0F)));
}

}  // namespace qe::kernels::reference
