// The float functions of docs/numerics.md over 16 lanes: each lane has the bits of the function of
// the same name in kernels/reference/math.h. V is the F32x16 of an instruction set
// (kernels/x86/<isa>/f32x16.h). Included only by files compiled for one instruction set, hence the
// anonymous namespace and no standard library code.
#pragma once

#include <cstddef>

#include "kernels/kernel_table.h"
#include "kernels/math_constants.h"

namespace qe::kernels {
namespace {

template <class V, std::size_t kTerms>
inline V polynomial(const float (&c)[kTerms], V x) {
  V p = V::broadcast(c[kTerms - 1]);
#pragma GCC unroll 16
  for (std::size_t i = kTerms - 1; i > 0; --i) {
    p = fma(p, x, V::broadcast(c[i - 1]));
  }
  return p;
}

template <class V, std::size_t kTerms>
inline V gelu(const float (&c)[kTerms], float center, V x) {
  const V v = fma(x, x, V::broadcast(-center));
  const V phi = fma(x, polynomial(c, v), V::broadcast(0.5F));
  return x * minimum(maximum(phi, V::broadcast(0.0F)), V::broadcast(1.0F));
}

// factor * exp(x) by the polynomial c, x within [kExpLow, kExpHigh].
template <class V, std::size_t kTerms>
inline V scaled_exp(const float (&c)[kTerms], float factor, V x) {
  const V magic = V::broadcast(kRoundMagic);
  const V shifted = fma(x, V::broadcast(kLog2E), magic);
  const V r = fma(shifted - magic, V::broadcast(kMinusLn2), x);
  return add_exponent(fma(polynomial(c, r), r, V::broadcast(factor)), shifted);
}

template <class V>
inline V exp(V x) {
  const V low = maximum(x, V::broadcast(kExpLow));
  return scaled_exp(kExp, 1.0F, minimum(low, V::broadcast(kExpHigh)));
}

// 255 exp(x) for x <= 0 or NaN.
template <class V>
inline V exp_255(V x) {
  return scaled_exp(kExp255, 255.0F, maximum(x, V::broadcast(kExpLow)));
}

template <class V>
inline V tanh(V x) {
  const V one = V::broadcast(1.0F);
  const V magnitude = absolute(x);
  const V e = exp(V::broadcast(-2.0F) * magnitude);
  const V large = copy_sign((one - e) / (one + e), x);
  const V square = x * x;
  const V small = fma(x * square, polynomial(kTanh, square), x);
  return select_greater(magnitude, V::broadcast(kTanhSplit), large, small);
}

// 1 + exp(-x). The sign is flipped by a subtraction from -0, which is exact.
template <class V>
inline V one_plus_exp_minus(V x) {
  return V::broadcast(1.0F) + exp(V::broadcast(-0.0F) - x);
}

template <class V>
inline V sigmoid(V x) {
  return V::broadcast(1.0F) / one_plus_exp_minus(x);
}

template <class V>
inline V silu(V x) {
  return x / one_plus_exp_minus(x);
}

template <class V>
inline V gelu_erf(V x) {
  return gelu(kPhiQuick, kPhiQuickCenter, x);
}

template <class V>
inline V gelu_tanh(V x) {
  return gelu(kTanhPhiQuick, kTanhPhiQuickCenter, x);
}

template <class V>
inline V gelu_erf_precise(V x) {
  return gelu(kPhi, kPhiCenter, x);
}

template <class V>
inline V gelu_tanh_precise(V x) {
  const V slope = fma(x * x, V::broadcast(kGeluTanhCubic), V::broadcast(kGeluTanhLinear));
  const V half = V::broadcast(0.5F) * x;
  return fma(half, tanh(x * slope), half);
}

// The epilogue's activation, known at compile time.
template <Activation kActivation, class V>
inline V activate(V x) {
  if constexpr (kActivation == Activation::kRelu) {
    return maximum(x, V::broadcast(0.0F));
  } else if constexpr (kActivation == Activation::kGeluErf) {
    return gelu_erf(x);
  } else if constexpr (kActivation == Activation::kGeluTanh) {
    return gelu_tanh(x);
  } else if constexpr (kActivation == Activation::kTanh) {
    return tanh(x);
  } else if constexpr (kActivation == Activation::kRelu6) {
    return minimum(maximum(x, V::broadcast(0.0F)), V::broadcast(6.0F));
  } else if constexpr (kActivation == Activation::kSilu) {
    return silu(x);
  } else if constexpr (kActivation == Activation::kSigmoid) {
    return sigmoid(x);
  } else {
    return x;
  }
}

}  // namespace
}  // namespace qe::kernels
