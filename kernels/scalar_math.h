// The float functions of docs/numerics.md, one element at a time, in a form that compiles for the
// CPU (kernels/reference) and for a GPU (kernels/cuda) alike: constexpr functions of one fused or
// rounded operation after the other. In an unnamed namespace, so that no file takes another's
// compilation; not for files with instruction-set options.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

#include "kernels/math_constants.h"

namespace qe::kernels::scalar {
namespace {

// A GPU function may use the value of a host constant, but not an array of them.
template <const auto& kTerms, std::size_t kIndex>
constexpr float kTerm = kTerms[kIndex];

template <const auto& kTerms, std::size_t... kIndex>
constexpr float horner(float x, std::index_sequence<kIndex...>) {
  constexpr std::size_t kLast = sizeof...(kIndex);
  float p = kTerm<kTerms, kLast>;
  ((p = std::fma(p, x, kTerm<kTerms, kLast - 1 - kIndex>)), ...);
  return p;
}

template <const auto& kTerms>
constexpr float polynomial(float x) {
  return horner<kTerms>(x, std::make_index_sequence<std::size(kTerms) - 1>{});
}

// The second operand where either is NaN.
constexpr float maximum(float a, float b) { return a > b ? a : b; }
constexpr float minimum(float a, float b) { return a < b ? a : b; }

// x Phi(x), Phi(x) = clamp(1/2 + x P(x^2 - center), 0, 1). Every P has a positive leading
// coefficient, so that Phi leaves [0, 1] on the right side far from zero.
template <const auto& kTerms>
constexpr float gelu(float center, float x) {
  const float v = std::fma(x, x, -center);
  const float phi = std::fma(x, polynomial<kTerms>(v), 0.5F);
  return x * minimum(maximum(phi, 0.0F), 1.0F);
}

// factor * exp(x), x = n ln 2 + r: the polynomial gives factor * exp(r), and n, left in the low
// mantissa bits by a large addend, goes to the exponent.
template <const auto& kTerms>
constexpr float scaled_exp(float factor, float x) {
  const float shifted = std::fma(x, kLog2E, kRoundMagic);
  const float r = std::fma(shifted - kRoundMagic, kMinusLn2, x);
  const float p = std::fma(polynomial<kTerms>(r), r, factor);
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) +
                              (std::bit_cast<std::uint32_t>(shifted) << 23U));
}

constexpr float exp(float x) {
  return scaled_exp<kExp>(1.0F, minimum(maximum(x, kExpLow), kExpHigh));
}
constexpr float exp_255(float x) { return scaled_exp<kExp255>(255.0F, maximum(x, kExpLow)); }

constexpr float tanh(float x) {
  const float magnitude = std::fabs(x);
  const float e = exp(-2.0F * magnitude);
  const float large = std::copysign((1.0F - e) / (1.0F + e), x);
  const float square = x * x;
  const float small = std::fma(x * square, polynomial<kTanh>(square), x);
  return magnitude > kTanhSplit ? large : small;
}

constexpr float sigmoid(float x) { return 1.0F / (1.0F + exp(-x)); }
constexpr float silu(float x) { return x / (1.0F + exp(-x)); }
constexpr float relu(float x) { return maximum(x, 0.0F); }
constexpr float relu6(float x) { return minimum(maximum(x, 0.0F), 6.0F); }
constexpr float gelu_erf(float x) { return gelu<kPhiQuick>(kPhiQuickCenter, x); }
constexpr float gelu_tanh(float x) { return gelu<kTanhPhiQuick>(kTanhPhiQuickCenter, x); }
constexpr float gelu_erf_precise(float x) { return gelu<kPhi>(kPhiCenter, x); }

constexpr float gelu_tanh_precise(float x) {
  const float slope = std::fma(x * x, kGeluTanhCubic, kGeluTanhLinear);
  const float half = 0.5F * x;
  return std::fma(half, tanh(x * slope), half);
}

// round_half_even(clamp(t, low, high)) as a byte of two's complement, for bounds within [-128,
// 255]; NaN counts as low. Adding the large number leaves the integer in the low bits, rounded.
constexpr std::uint8_t round_to_byte(float t, float low, float high) {
  const float clamped = minimum(maximum(t, low), high);
  return static_cast<std::uint8_t>(std::bit_cast<std::uint32_t>(clamped + kRoundMagic));
}
constexpr std::uint8_t round_to_u8(float t) { return round_to_byte(t, 0.0F, 255.0F); }
constexpr std::uint8_t round_to_s8(float t) { return round_to_byte(t, -128.0F, 127.0F); }

}  // namespace
}  // namespace qe::kernels::scalar
