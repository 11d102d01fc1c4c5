// Activation functions of some elements at once, chosen by a branch that all threads take alike.
// Device code.
#pragma once

#include <qe/activation.h>

#include "kernels/scalar_math.h"

namespace qe::kernels::cuda {

template <class Function, int kCount>
__device__ __forceinline__ void apply(float (&y)[kCount], Function function) {
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    y[i] = function(y[i]);
  }
}

template <int kCount>
__device__ __forceinline__ void activate(Activation activation, float (&y)[kCount]) {
  switch (activation) {
    case Activation::kNone:
      return;
    case Activation::kRelu:
      return apply(y, [](float v) { return scalar::relu(v); });
    case Activation::kRelu6:
      return apply(y, [](float v) { return scalar::relu6(v); });
    case Activation::kGeluErf:
      return apply(y, [](float v) { return scalar::gelu_erf(v); });
    case Activation::kGeluTanh:
      return apply(y, [](float v) { return scalar::gelu_tanh(v); });
    case Activation::kTanh:
      return apply(y, [](float v) { return scalar::tanh(v); });
    case Activation::kSilu:
      return apply(y, [](float v) { return scalar::silu(v); });
    case Activation::kSigmoid:
      return apply(y, [](float v) { return scalar::sigmoid(v); });
  }
}

}  // namespace qe::kernels::cuda
