// The plain rendering of the attention kernels of kernel_table.h: keys and values as packed
// right-hand matrices, and the softmax whose bytes are the left-hand matrix of the second product.
// It refuses nothing and is tuned for nothing.
#include <cstddef>
#include <cstring>

#include "kernels/isa_tables.h"
#include "kernels/reference/math.h"
#include "kernels/scalar_quantize.h"

namespace qe::kernels::reference {
namespace {

using scalar::DynamicScale;
using scalar::quantize_symmetric;
using scalar::symmetric_scale;

// The place of B[k][n] in a packed matrix of `columns` columns and `depth` rows (kernel_table.h).
std::ptrdiff_t packed_index(int columns, int depth, int k, int n) {
  const int first = n / kPanelWidth * kPanelWidth;
  const int rest = round_up(columns, kColumnGroup) - first;
  const int width = rest < kPanelWidth ? rest : kPanelWidth;
  return static_cast<std::ptrdiff_t>(first) * round_up(depth, kDepthGroup) +
         (static_cast<std::ptrdiff_t>(k / kDepthGroup) * width + n - first) * kDepthGroup +
         k % kDepthGroup;
}

std::int8_t centered(std::uint8_t q) { return static_cast<std::int8_t>(q - kSymmetricZeroPoint); }

}  // namespace

void pack_keys(const PackKeysArgs& args) noexcept {
  std::memset(args.packed, 0, packed_bytes(args.tokens, args.head_dim));
  for (int token = 0; token < round_up(args.tokens, kColumnGroup); ++token) {
    args.column_scale[token] = 0.0F;
    args.column_offset[token] = 0;
  }
  for (int token = 0; token < args.tokens; ++token) {
    DynamicScale dynamic{args.static_scale, 0.0F};
    if (args.x_f32) {
      dynamic = symmetric_scale(absolute_maximum(args.x_f32 + token * args.ldx, args.head_dim));
    }
    std::int32_t sum = 0;
    for (int i = 0; i < args.head_dim; ++i) {
      const std::ptrdiff_t at = token * args.ldx + i;
      const std::int8_t q =
          centered(args.x_f32 ? quantize_symmetric(args.x_f32[at], dynamic.inv) : args.x_u8[at]);
      args.packed[packed_index(args.tokens, args.head_dim, i, token)] = q;
      sum += q;
    }
    args.column_scale[token] = dynamic.scale * args.score_scale;
    args.column_offset[token] = -kSymmetricZeroPoint * sum;
  }
}

void pack_values(const PackValuesArgs& args) noexcept {
  DynamicScale dynamic{args.static_scale, 0.0F};
  if (args.x_f32) {
    float largest = 0.0F;
    for (int token = 0; token < args.tokens; ++token) {
      largest = maximum(absolute_maximum(args.x_f32 + token * args.ldx, args.head_dim), largest);
    }
    dynamic = symmetric_scale(largest);
  }
  std::memset(args.packed, 0, packed_bytes(args.head_dim, args.tokens));
  for (int token = 0; token < args.tokens; ++token) {
    for (int i = 0; i < args.head_dim; ++i) {
      const std::ptrdiff_t at = token * args.ldx + i;
      args.packed[packed_index(args.head_dim, args.tokens, token, i)] =
          centered(args.x_f32 ? quantize_symmetric(args.x_f32[at], dynamic.inv) : args.x_u8[at]);
    }
  }
  for (int i = 0; i < round_up(args.head_dim, kColumnGroup); ++i) {
    args.column_scale[i] = dynamic.scale;
  }
}

void softmax_u8(const SoftmaxU8Args& args) noexcept {
  for (int row = 0; row < args.rows; ++row) {
    const float* x = args.x + row * args.ldx;
    std::uint8_t* p = args.p + row * args.ldp;
    const float largest = largest_of(x, args.cols);
    std::int32_t sum = 0;
    for (int i = 0; i < args.cols; ++i) {
      p[i] = round_to_u8(exp_255(x[i] - largest));
      sum += p[i];
    }
    for (int i = args.cols; i < round_up(args.cols, kDepthGroup); ++i) {
      p[i] = 0;
    }
    args.inv_sum[row] = 1.0F / static_cast<float>(sum);
  }
}

}  // namespace qe::kernels::reference
