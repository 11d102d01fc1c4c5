// The plain rendering of the depthwise convolution: pack_depthwise and depthwise of spatial_args.h,
// element by element. It is the specification the other instruction sets are tested against; it
// refuses nothing and is tuned for nothing.
#include <cmath>
#include <cstring>

#include "kernels/isa_tables.h"
#include "kernels/reference/math.h"

namespace qe::kernels::reference {
namespace {

constexpr int kQuad = 4;

// Where the packed layout keeps the weight of channel c at row `tap` (counted from the first row
// that the rows computed at once see) and column j, for the given one of these rows.
std::ptrdiff_t packed_index(const DepthwiseShape& s, int c, int tap, int j, int row) {
  const int padded = round_up(s.channels, 16);
  int first = c / 64 * 64;
  int width = 64;
  if (padded - first < 64) {
    const int half = (padded - first) & 32;
    width = c - first < half ? 32 : 16;
    first += c - first < half ? 0 : half + (c - first - half) / 16 * 16;
  }
  const int local = c - first;
  const int rows = depthwise_rows(s);
  const std::ptrdiff_t block =
      std::ptrdiff_t{first} * depthwise_quads(s.kernel_height) * s.kernel_width * rows * kQuad;
  const std::ptrdiff_t vector = (std::ptrdiff_t{tap} / kQuad * s.kernel_width + j) * rows + row;
  return block + vector * width * kQuad + local % 16 / 4 * width + local / 16 * 16 +
         local % 4 * kQuad + tap % kQuad;
}

std::int32_t accumulate(const DepthwiseArgs& args, int y, int x, int c) {
  const DepthwiseShape& s = args.shape;
  std::int32_t acc = args.offset[c];
  for (int i = 0; i < s.kernel_height; ++i) {
    for (int j = 0; j < s.kernel_width; ++j) {
      const int row = y * s.stride - s.pad_top + i * s.dilation;
      const int col = x * s.stride - s.pad_left + j * s.dilation;
      const bool inside = row >= 0 && row < s.in_height && col >= 0 && col < s.in_width;
      const std::ptrdiff_t pixel = std::ptrdiff_t{row} * s.in_width + col;
      const int value = inside ? args.x[pixel * args.x_pixel_stride + c] : args.x_zero_point;
      acc += value * args.packed[packed_index(s, c, i, j, 0)];
    }
  }
  return acc;
}

}  // namespace

void pack_depthwise(const PackDepthwiseArgs& args) noexcept {
  const DepthwiseShape& s = args.shape;
  std::memset(args.packed, 0, depthwise_packed_bytes(s));
  std::memset(args.weight_sum, 0, sizeof(std::int32_t) * round_up(s.channels, 16));
  for (int c = 0; c < s.channels; ++c) {
    const std::int8_t* w = args.w + std::ptrdiff_t{c} * s.kernel_height * s.kernel_width;
    for (int i = 0; i < s.kernel_height; ++i) {
      for (int j = 0; j < s.kernel_width; ++j) {
        const std::int8_t weight = w[i * s.kernel_width + j];
        args.weight_sum[c] += weight;
        for (int row = 0; row < depthwise_rows(s); ++row) {
          args.packed[packed_index(s, c, i + row * s.stride, j, row)] = weight;
        }
      }
    }
  }
}

void depthwise(const DepthwiseArgs& args) noexcept {
  const DepthwiseShape& s = args.shape;
  for (int y = args.row_begin; y < args.row_end; ++y) {
    for (int x = 0; x < s.out_width; ++x) {
      for (int c = 0; c < s.channels; ++c) {
        const auto acc = static_cast<float>(accumulate(args, y, x, c));
        std::uint8_t q = round_to_u8(std::fma(acc, args.scale[c], args.bias[c]));
        if (args.table) {
          q = args.table[q];
        }
        args.out[(std::ptrdiff_t{y} * s.out_width + x) * args.out_pixel_stride + c] = q;
      }
    }
  }
}

}  // namespace qe::kernels::reference
