// The plain rendering of the quantized matrix product: pack_weights and gemm of kernel_table.h,
// element by element. It is the specification the other instruction sets are tested against; it
// refuses nothing and is tuned for nothing.
#include <cmath>
#include <cstring>

#include "kernels/isa_tables.h"
#include "kernels/reference/math.h"

namespace qe::kernels::reference {
namespace {

int panel_width(int n, int panel) {
  const int columns = round_up(n, kColumnGroup) - panel * kPanelWidth;
  return columns < kPanelWidth ? columns : kPanelWidth;
}

// The bytes of one tap of a row.
const std::uint8_t* piece(const GemmArgs& args, int row, int tap) {
  if (!args.taps) {
    return args.a + row * args.lda;
  }
  const Taps& taps = *args.taps;
  const int pixel = (taps.first_row + row) % taps.pixels;
  const int image = (taps.first_row + row) / taps.pixels;
  const std::int32_t offset = taps.offset[static_cast<std::ptrdiff_t>(pixel) * taps.count + tap];
  return offset == kPaddingTap ? taps.padding : args.a + image * taps.image_stride + offset;
}

std::int32_t accumulate(const GemmArgs& args, int row, int column) {
  const int panel = column / kPanelWidth;
  const std::ptrdiff_t width = panel_width(args.n, panel);
  const int pieces = args.taps ? args.taps->count : 1;
  const int depth = round_up(args.k, kDepthGroup);
  const std::int8_t* b = args.b +
                         static_cast<std::ptrdiff_t>(panel) * kPanelWidth * pieces * depth +
                         static_cast<std::ptrdiff_t>(column % kPanelWidth) * kDepthGroup;
  std::int32_t acc = args.column_offset ? args.column_offset[column] : 0;
  for (int tap = 0; tap < pieces; ++tap) {
    const std::uint8_t* a = piece(args, row, tap);
    for (int k = 0; k < args.k; ++k) {
      acc += a[k] * b[k / kDepthGroup * width * kDepthGroup + k % kDepthGroup];
    }
    b += depth * width;
  }
  return acc;
}

float activate(Activation activation, float y) {
  switch (activation) {
    case Activation::kNone:
      break;
    case Activation::kRelu:
      return maximum(y, 0.0F);
    case Activation::kRelu6:
      return minimum(maximum(y, 0.0F), 6.0F);
    case Activation::kGeluErf:
      return gelu_erf(y);
    case Activation::kGeluTanh:
      return gelu_tanh(y);
    case Activation::kTanh:
      return tanh(y);
    case Activation::kSilu:
      return silu(y);
    case Activation::kSigmoid:
      return sigmoid(y);
  }
  return y;
}

void finish(const GemmArgs& args, int row, int column, std::int32_t acc) {
  const float scale =
      args.row_scale ? args.row_scale[row] * args.column_scale[column] : args.column_scale[column];
  float addend = args.bias ? args.bias[column] : -0.0F;
  if (args.row_floor) {
    addend = std::fma(args.row_floor[row], args.column_weight_sum[column], addend);
  }
  const float y = activate(args.activation, std::fma(static_cast<float>(acc), scale, addend));
  if (args.out_u8) {
    float t = y;
    if (args.activation != Activation::kNone) {
      t = std::fma(y, args.out_inv_scale, args.out_zero_point);
    } else if (args.residual_u8) {
      t = std::fma(static_cast<float>(args.residual_u8[row * args.ld_residual_u8 + column]),
                   args.residual_scale, y);
    }
    const std::uint8_t q = round_to_u8(t);
    args.out_u8[row * args.ld_out_u8 + column] = args.table ? args.table[q] : q;
    return;
  }
  args.out_f32[row * args.ld_out_f32 + column] =
      args.residual ? y + args.residual[row * args.ld_residual + column] : y;
}

}  // namespace

void pack_weights(const PackWeightsArgs& args) noexcept {
  for (int panel = args.first_panel; panel < args.last_panel; ++panel) {
    const int width = panel_width(args.n, panel);
    std::int8_t* out = args.packed + static_cast<std::ptrdiff_t>(panel) * kPanelWidth *
                                         round_up(args.k, kDepthGroup);
    std::memset(out, 0, static_cast<std::size_t>(width) * round_up(args.k, kDepthGroup));
    for (int j = 0; j < width; ++j) {
      const int column = panel * kPanelWidth + j;
      std::int32_t sum = 0;
      if (column < args.n) {
        const std::int8_t* w = args.w + column * args.ldw;
        for (int k = 0; k < args.k; ++k) {
          out[(k / kDepthGroup * static_cast<std::ptrdiff_t>(width) + j) * kDepthGroup +
              k % kDepthGroup] = w[k];
          sum += w[k];
        }
      }
      if (args.column_sum) {
        args.column_sum[column] = sum;
      }
    }
  }
}

void gemm(const GemmArgs& args) noexcept {
  const int first = args.first_panel * kPanelWidth;
  const int last = args.last_panel * kPanelWidth;
  for (int row = 0; row < args.m; ++row) {
    for (int column = first; column < (last < args.n ? last : args.n); ++column) {
      finish(args, row, column, accumulate(args, row, column));
    }
  }
}

}  // namespace qe::kernels::reference
