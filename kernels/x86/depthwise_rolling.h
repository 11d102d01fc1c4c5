// Depthwise kernels three columns wide whose rows fit one quad, for instruction sets with registers
// for all of it: weights, the three interleaved columns under the kernel, and sums. An output row
// is one walk over the image; a column is loaded and interleaved once, stays for every output that
// sees it, and then makes room for the next. Included after depthwise_block.h.
#pragma once

#include "kernels/x86/depthwise_block.h"

namespace qe::kernels {
namespace {

inline constexpr int kRollingColumns = 3;
inline constexpr int kRollingRows = 3;

inline bool can_roll(const DepthwiseShape& s) {
  return s.kernel_width == kRollingColumns && s.kernel_height <= kRollingRows && s.dilation == 1;
}

// Some rows of outputs of a block whose pixels have kLanes lanes. Where a vector holds more than
// one pixel, they belong to output rows one below the other.
template <int kLanes>
struct RollingRows {
  static constexpr int kPixels = kVectorLanes / kLanes;

  const Strip& strip;
  const BlockOperands& block;
  int channel;
  int row_begin, row_end;
};

// Columns of the three image rows under each of kPixels output rows, counted from the first that
// the first output sees; those beside the image are padding.
template <int kLanes>
class ColumnReader {
 public:
  static constexpr int kPixels = kVectorLanes / kLanes;
  using Source = SourceRow[kPixels][kRollingRows];

  [[gnu::always_inline]] ColumnReader(const Strip& strip, const Source& source)
      : source_(source),
        pad_left_(strip.args.shape.pad_left),
        width_(static_cast<unsigned>(strip.args.shape.in_width)),
        pixel_stride_(strip.args.x_pixel_stride),
        padding_(strip.padding) {}
  [[gnu::always_inline]] Column operator()(int column) const {
    const int at = column - pad_left_;
    const bool inside = static_cast<unsigned>(at) < width_;
    const std::ptrdiff_t offset = at * pixel_stride_;
    const auto row = [&](int r) {
      return Bytes::gather<kLanes>([&](int pixel) {
        const SourceRow& source = source_[pixel][r];
        const std::uint8_t* p = source.pixels + (offset & source.keep);
        // Selected, not branched: two paths would meet with twelve vectors in other registers each.
        return inside ? p : padding_;
      });
    };
    const Bytes last = row(2);
    return interleave(row(0), row(1), last, last);
  }

 private:
  const Source& source_;
  int pad_left_;
  unsigned width_;
  std::ptrdiff_t pixel_stride_;
  const std::uint8_t* padding_;
};

using RollingWeights = Column[kRollingColumns];

// Where the next outputs go: a pixel of each row.
template <int kLanes>
struct OutputPixels {
  static constexpr int kPixels = kVectorLanes / kLanes;

  std::uint8_t* pixel[kPixels];
  std::ptrdiff_t stride;

  [[gnu::always_inline]] void store_next(Bytes bytes) {
    bytes.template scatter<kLanes>([this](int i) { return pixel[i]; });
#pragma GCC unroll 4
    for (int i = 0; i < kPixels; ++i) {
      pixel[i] += stride;
    }
  }
};

// The outputs that see columns a, b and c.
[[gnu::always_inline]] inline Bytes multiply_window(const BlockOperands& block,
                                                    const RollingWeights& w, const Column& a,
                                                    const Column& b, const Column& c) {
  Sums sums[kGroups];
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
    sums[g] = Sums::load(block.offset + g * kVectorDwords);
    sums[g] = add_dot(sums[g], a.group[g], w[0].group[g]);
    sums[g] = add_dot(sums[g], b.group[g], w[1].group[g]);
    sums[g] = add_dot(sums[g], c.group[g], w[2].group[g]);
    sums[g] = requantize(sums[g], block.scale + g * kVectorDwords, block.bias + g * kVectorDwords);
  }
  return join_bytes(sums[0], sums[1], sums[2], sums[3]);
}

// A row of outputs (or kPixels rows).
template <int kStride, int kLanes>
[[gnu::always_inline]] inline void multiply_row(const ColumnReader<kLanes>& column,
                                                const BlockOperands& block, const RollingWeights& w,
                                                int width, OutputPixels<kLanes> out) {
  Column a = column(0);
  if constexpr (kStride == 1) {
    Column b = column(1);
    for (int x = 0; x < width; ++x) {
      const Column c = column(x + 2);
      out.store_next(multiply_window(block, w, a, b, c));
      a = b;
      b = c;
    }
  } else {
    for (int x = 0; x < width; ++x) {
      const Column b = column(2 * x + 1);
      const Column c = column(2 * x + 2);
      out.store_next(multiply_window(block, w, a, b, c));
      a = c;
    }
  }
}

template <int kStride, int kLanes>
[[gnu::noinline]] void multiply_rows(const RollingRows<kLanes>& rows) {
  constexpr int kPixels = RollingRows<kLanes>::kPixels;
  const Strip& strip = rows.strip;
  RollingWeights w;
#pragma GCC unroll 3
  for (int j = 0; j < kRollingColumns; ++j) {
    const std::int8_t* weights = rows.block.weights + j * strip.rows * kGroups * kVectorBytes;
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      w[j].group[g] = Bytes::load(weights + g * kVectorBytes);
    }
  }
  for (int y = rows.row_begin; y < rows.row_end; y += kPixels) {
    SourceRow source[kPixels][kRollingRows];
    OutputPixels<kLanes> out;
    out.stride = strip.args.out_pixel_stride;
    for (int i = 0; i < kPixels; ++i) {
      // Beyond the last row, that one again.
      const int row = y + i < rows.row_end ? y + i : rows.row_end - 1;
      locate_rows(strip, row, 1, rows.channel, source[i], kRollingRows);
      out.pixel[i] = strip.out_pixel(row, 0, rows.channel);
    }
    multiply_row<kStride, kLanes>(ColumnReader<kLanes>(strip, source), rows.block, w,
                                  strip.args.shape.out_width, out);
  }
}

// The block of a pixel's kLanes lanes of channels from `channel` on, all rows.
template <int kLanes>
inline void roll(const Strip& strip, const BlockOperands& block, int channel) {
  // The table follows a few rows behind, which the L1 cache still holds.
  constexpr int kPixelsAtOnce = 128;
  constexpr int kRowsTogether = kVectorLanes / kLanes;
  const DepthwiseArgs& args = strip.args;
  const int width = args.shape.out_width;
  const int rows_at_once =
      round_up(width < kPixelsAtOnce ? kPixelsAtOnce / width : 1, kRowsTogether);
  for (int y = args.row_begin; y < args.row_end; y += rows_at_once) {
    const int end = args.row_end - y < rows_at_once ? args.row_end : y + rows_at_once;
    const RollingRows<kLanes> rows{strip, block, channel, y, end};
    if (args.shape.stride == 1) {
      multiply_rows<1>(rows);
    } else {
      multiply_rows<2>(rows);
    }
    // The rows of an image lie one behind the other.
    if (args.table) {
      look_up<kLanes>(args.table, strip.out_pixel(y, 0, channel), args.out_pixel_stride,
                      (end - y) * width);
    }
  }
}

}  // namespace
}  // namespace qe::kernels
