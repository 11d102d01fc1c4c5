// The body of a probe, included after an f32x16.h by a file compiled for that instruction set.
#pragma once

#include "kernels/x86/vector_math.h"
#include "tests/kernels/math_probe.h"

namespace qe::kernels {
namespace {

inline F32x16 apply(test::Function function, F32x16 x) {
  switch (function) {
    case test::Function::kExp:
      return exp(x);
    case test::Function::kExp255:
      return exp_255(x);
    case test::Function::kTanh:
      return tanh(x);
    case test::Function::kSigmoid:
      return sigmoid(x);
    case test::Function::kSilu:
      return silu(x);
    case test::Function::kGeluErf:
      return gelu_erf(x);
    case test::Function::kGeluTanh:
      return gelu_tanh(x);
    case test::Function::kGeluErfPrecise:
      return gelu_erf_precise(x);
    case test::Function::kGeluTanhPrecise:
      return gelu_tanh_precise(x);
  }
  return x;
}

}  // namespace
}  // namespace qe::kernels
