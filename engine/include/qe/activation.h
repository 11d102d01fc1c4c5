// Activation functions that an integer product can end with; docs/numerics.md defines each, step by
// step.
#pragma once

#include <cstdint>

namespace qe {

enum class Activation : std::uint8_t {
  kNone,
  kRelu,
  kRelu6,
  kGeluErf,
  kGeluTanh,
  kTanh,
  kSilu,
  kSigmoid
};

}  // namespace qe
