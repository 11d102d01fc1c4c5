// Signed bytes of symmetric dynamic quantization, as both operands of attention's first product
// are. Device code.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/scalar_quantize.h"

namespace qe::kernels::cuda {

// scalar::quantize_symmetric() less 128 as the low byte of a word. `inv` belongs to a magnitude
// that x does not exceed, so that only NaN needs a bound: x inv + 128 lies within [0, 255.00002],
// rounds to at most 255, and 128 more to the rounding constant turns the sign bit over.
__device__ __forceinline__ std::uint32_t quantize_signed(float x, float inv) {
  const float t = scalar::maximum(std::fma(x, inv, static_cast<float>(kSymmetricZeroPoint)), 0.0F);
  return std::bit_cast<std::uint32_t>(t + (kRoundMagic + static_cast<float>(kSymmetricZeroPoint)));
}

}  // namespace qe::kernels::cuda
