// An epilogue's activation over a tile of floats. V is the F32x16 of an instruction set. Included
// only by files compiled for one instruction set, hence the anonymous namespace.
#pragma once

#include "kernels/kernel_table.h"
#include "kernels/x86/vector_math.h"

namespace qe::kernels {
namespace {

template <Activation kActivation, class V>
inline void apply_to_tile(float* tile, int count) {
  for (int i = 0; i < count; i += kColumnGroup) {
    activate<kActivation>(V::load(tile + i)).store(tile + i);
  }
}

// In place; count is a multiple of 16. Never inlined: one copy of the long code serves all tile
// shapes.
template <class V>
[[gnu::noinline]] void apply_activation(Activation activation, float* tile, int count) {
  switch (activation) {
    case Activation::kNone:
      break;
    case Activation::kRelu:
      apply_to_tile<Activation::kRelu, V>(tile, count);
      break;
    case Activation::kGeluErf:
      apply_to_tile<Activation::kGeluErf, V>(tile, count);
      break;
    case Activation::kGeluTanh:
      apply_to_tile<Activation::kGeluTanh, V>(tile, count);
      break;
    case Activation::kTanh:
      apply_to_tile<Activation::kTanh, V>(tile, count);
      break;
    case Activation::kRelu6:
      apply_to_tile<Activation::kRelu6, V>(tile, count);
      break;
    case Activation::kSilu:
      apply_to_tile<Activation::kSilu, V>(tile, count);
      break;
    case Activation::kSigmoid:
      apply_to_tile<Activation::kSigmoid, V>(tile, count);
      break;
  }
}

}  // namespace
}  // namespace qe::kernels
