// Depthwise kernels three columns wide whose rows fit one quad, for instruction sets with registers
// for all of it: weights, the three interleaved columns under the kernel, and sums. An output row
// is one walk over the image; a column is loaded and interleaved once, stays for every output that
// sees it, and then makes room for the next. Included after depthwise_block.h.
#pragma once

#include <type_traits>

#include "kernels/x86/depthwise_block.h"

namespace qe::kernels {
namespace {

inline constexpr int kRollingColumns = 3;

inline bool can_roll(const DepthwiseShape& s) {
  return s.kernel_width == kRollingColumns && s.kernel_height < kQuad && s.dilation == 1;
}

// Some rows of outputs of a block.
struct RollingRows {
  const Strip& strip;
  const BlockOperands& block;
  int channel;
  int row_begin, row_end;
};

// Columns of the three image rows under an output row, counted from the first that its first output
// sees; those beside the image are padding.
class ColumnReader {
 public:
  [[gnu::always_inline]] ColumnReader(const Strip& strip, const SourceRow* source)
      : source_(source),
        pad_left_(strip.args.shape.pad_left),
        width_(static_cast<unsigned>(strip.args.shape.in_width)),
        pixel_stride_(strip.args.x_pixel_stride),
        padding_(strip.padding) {}
  [[gnu::always_inline]] Column operator()(int column) const {
    const int at = column - pad_left_;
    const bool inside = static_cast<unsigned>(at) < width_;
    const std::ptrdiff_t offset = at * pixel_stride_;
    // Selected, not branched: two paths would meet with twelve vectors in two sets of registers.
    const auto pixel = [&](int row) {
      const std::uint8_t* p = source_[row].pixels + (offset & source_[row].keep);
      return Bytes::load(inside ? p : padding_);
    };
    const Bytes last = pixel(2);
    return interleave(pixel(0), pixel(1), last, last);
  }

 private:
  const SourceRow* source_;
  int pad_left_;
  unsigned width_;
  std::ptrdiff_t pixel_stride_;
  const std::uint8_t* padding_;
};

using RollingWeights = Column[kRollingColumns];

// One output.
[[gnu::always_inline]] inline void emit(const BlockOperands& block, const RollingWeights& w,
                                        const Column& a, const Column& b, const Column& c,
                                        std::uint8_t* out) {
  Sums sums[kGroups];
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
    sums[g] = Sums::load(block.offset + g * kVectorDwords);
    sums[g] = add_dot(sums[g], a.group[g], w[0].group[g]);
    sums[g] = add_dot(sums[g], b.group[g], w[1].group[g]);
    sums[g] = add_dot(sums[g], c.group[g], w[2].group[g]);
    sums[g] = requantize(sums[g], block.scale + g * kVectorDwords, block.bias + g * kVectorDwords);
  }
  join_bytes(sums[0], sums[1], sums[2], sums[3]).store(out);
}

// All of a column before what comes next: GCC would mix both and run out of registers.
[[gnu::always_inline]] inline Column settled(Column column) {
  asm volatile(""
               : "+v"(column.group[0].v), "+v"(column.group[1].v), "+v"(column.group[2].v),
                 "+v"(column.group[3].v)
               :
               : "memory");
  return column;
}

// The columns take turns in three names, so that none is moved.
[[gnu::always_inline]] inline void multiply_row(std::integral_constant<int, 1>,
                                                const ColumnReader& column,
                                                const BlockOperands& block, const RollingWeights& w,
                                                int width, std::uint8_t* out,
                                                std::ptrdiff_t out_stride) {
  Column a = column(0);
  Column b = column(1);
  Column c;
  int x = 0;
  for (; x + kRollingColumns <= width; x += kRollingColumns) {
    c = settled(column(x + 2));
    emit(block, w, a, b, c, out);
    a = settled(column(x + 3));
    emit(block, w, b, c, a, out + out_stride);
    b = settled(column(x + 4));
    emit(block, w, c, a, b, out + 2 * out_stride);
    out += kRollingColumns * out_stride;
  }
  if (x < width) {
    c = settled(column(x + 2));
    emit(block, w, a, b, c, out);
    if (x + 1 < width) {
      emit(block, w, b, c, settled(column(x + 3)), out + out_stride);
    }
  }
}
[[gnu::always_inline]] inline void multiply_row(std::integral_constant<int, 2>,
                                                const ColumnReader& column,
                                                const BlockOperands& block, const RollingWeights& w,
                                                int width, std::uint8_t* out,
                                                std::ptrdiff_t out_stride) {
  Column a = column(0);
  for (int x = 0; x < width; ++x) {
    const Column b = column(2 * x + 1);
    const Column c = column(2 * x + 2);
    emit(block, w, a, b, c, out);
    a = c;
    out += out_stride;
  }
}

template <int kStride>
[[gnu::noinline]] void multiply_rows(const RollingRows& rows) {
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
  for (int y = rows.row_begin; y < rows.row_end; ++y) {
    SourceRow source[2 * kQuad];
    locate_rows(strip, y, 1, rows.channel, source);
    multiply_row(std::integral_constant<int, kStride>{}, ColumnReader(strip, source), rows.block, w,
                 strip.args.shape.out_width, strip.out_pixel(y, 0, rows.channel),
                 strip.args.out_pixel_stride);
  }
}

// The block of a vector's channels from `channel` on, all rows.
inline void roll(const Strip& strip, const BlockOperands& block, int channel) {
  // Table and sums follow a few rows behind, which the L1 cache still holds.
  constexpr int kPixelsAtOnce = 128;
  const DepthwiseArgs& args = strip.args;
  const int width = args.shape.out_width;
  const int rows_at_once = width < kPixelsAtOnce ? kPixelsAtOnce / width : 1;
  ChannelSums sums;
  for (int y = args.row_begin; y < args.row_end; y += rows_at_once) {
    const int end = args.row_end - y < rows_at_once ? args.row_end : y + rows_at_once;
    const RollingRows rows{strip, block, channel, y, end};
    if (args.shape.stride == 1) {
      multiply_rows<1>(rows);
    } else {
      multiply_rows<2>(rows);
    }
    // The rows of an image lie one behind the other.
    std::uint8_t* out = strip.out_pixel(y, 0, channel);
    const int pixels = (end - y) * width;
    if (args.table) {
      look_up(args.table, out, args.out_pixel_stride, pixels);
    }
    if (args.channel_sum) {
      sums.add<kVectorLanes>(out, args.out_pixel_stride, pixels, args.channel_sum + channel);
    }
  }
  if (args.channel_sum) {
    sums.flush<kVectorLanes>(args.channel_sum + channel);
  }
}

}  // namespace
}  // namespace qe::kernels
