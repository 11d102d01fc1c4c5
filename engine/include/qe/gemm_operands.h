// One integer matrix product with its epilogue, the same description for the CPU and a GPU: rows of
// 8-bit activations times 8-bit weights, 32-bit sums, then scale, bias, activation, residual and
// the conversion to the type of the result, in one pass. docs/numerics.md is the specification.
#pragma once

#include <cstddef>
#include <cstdint>

#include <qe/activation.h>

namespace qe {

enum class Element : std::uint8_t { kU8, kS8, kF16, kF32 };

constexpr int element_bytes(Element element) {
  return element == Element::kF32 ? 4 : element == Element::kF16 ? 2 : 1;
}

// W[n][k], row-major with `ld` bytes from row to row: row n holds the weights of result column n.
struct GemmWeights {
  const std::int8_t* w = nullptr;
  std::ptrdiff_t ld = 0;
  int n = 0, k = 0;
};

// For each row m and column n, with the depth k of the weights:
//   acc = column_offset[n] + sum_k a[m][k] * w[n][k]        exact while it fits 32 bits
//   c   = fma(row_floor[m], column_weight_sum[n], bias[n])  (row_floor null: bias[n] alone)
//   y   = activation(fma(float(acc), row_scale[m] * column_scale[n], c))
//         (row_scale null: column_scale alone; bias null: -0, which changes no bit of a sum)
// Results of floats are y, or y + residual[m][n]; kF16 is that rounded to the nearest half.
// Results of bytes are q = round_half_even(clamp(t, low, high)), NaN -> low, with the bounds 0 and
// 255 or -128 and 127, and table[q] where a table is set (q as an unsigned byte), where
//   t = y without an activation (the caller has folded the output scale and zero point into
//       column_scale and bias); with a residual of bytes fma(float(residual), residual_scale, y)
//   t = fma(y, out_inv_scale, out_zero_point) after an activation, which takes no residual
// Leading dimensions count elements. The arrays of a column have round_up(n, 16) readable elements.
struct GemmOperands {
  const void* a = nullptr;        // [m][k]
  Element a_type = Element::kU8;  // kU8 or kS8
  std::ptrdiff_t lda = 0;
  int m = 0;
  const std::int32_t* column_offset = nullptr;  // or null: zero
  const float* column_scale = nullptr;
  const float* row_scale = nullptr;          // [m] or null
  const float* row_floor = nullptr;          // [m], the real value of byte 0 in each row; or null
  const float* column_weight_sum = nullptr;  // with row_floor
  const float* bias = nullptr;               // or null
  Activation activation = Activation::kNone;
  const void* residual = nullptr;  // of the type of `out`; or null. May be `out` itself
  std::ptrdiff_t ld_residual = 0;
  float residual_scale = 0.0F;  // of bytes
  void* out = nullptr;
  Element out_type = Element::kU8;
  std::ptrdiff_t ld_out = 0;
  float out_inv_scale = 0.0F;
  float out_zero_point = 0.0F;
  const std::uint8_t* table = nullptr;  // [256], results of bytes alone; or null
};

}  // namespace qe
