// Rows of byte heads (kernels/cuda/byte_heads.h) as the plain functions make them.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/cuda/byte_heads.h"
#include "kernels/scalar_quantize.h"

namespace qe::test {

// A row of floats as a product with byte heads writes it; what it does not write stays.
inline void quantize_heads(const float* row, const kernels::cuda::ByteHeads& heads, float* to) {
  namespace scalar = kernels::scalar;
  auto* const bytes = reinterpret_cast<std::uint8_t*>(to);
  for (int first = 0; first < heads.columns; first += heads.head_dim) {
    float largest = 0.0F;
    for (int i = 0; i < heads.head_dim; ++i) {
      const float magnitude = std::fabs(row[first + i]);
      largest = magnitude > largest ? magnitude : largest;
    }
    const scalar::DynamicScale dynamic = scalar::symmetric_scale(largest);
    for (int i = 0; i < heads.head_dim; ++i) {
      bytes[first + i] = scalar::quantize_symmetric(row[first + i], dynamic.inv) ^ 0x80U;
    }
    to[first_head_scale(heads) + first / heads.head_dim] = dynamic.scale;
  }
}

}  // namespace qe::test
