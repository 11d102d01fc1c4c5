// What both ways to compute a depthwise convolution share (depthwise_rolling.h, depthwise_tiles.h):
// the rows they read, the operands of a block of channels as vectors, the arithmetic of one output,
// and the table that finished bytes go through. Included after a bytes.h; everything is in an
// anonymous namespace, so no body is shared between folders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/kernel_table.h"

namespace qe::kernels {
namespace {

inline constexpr int kQuad = 4;        // rows interleaved
inline constexpr int kGroups = 4;      // vectors of dwords that a vector of bytes becomes
inline constexpr int kLaneBytes = 16;  // and channels
inline constexpr int kLaneDwords = 4;
inline constexpr int kMostColumns = 7;   // of a kernel
inline constexpr int kMostTaps = 2 * 7;  // quads of rows times columns
inline constexpr int kMostRows = 2;      // of output rows computed at once
inline constexpr int kVectorDwords = kVectorBytes / 4;

// A call, and what all its blocks need.
struct Strip {
  explicit Strip(const DepthwiseArgs& a)
      : args(a),
        quads(depthwise_quads(a.shape.kernel_height)),
        taps(quads * a.shape.kernel_width),
        rows(depthwise_rows(a.shape)) {
    Bytes::broadcast(a.x_zero_point).store(padding);
  }
  std::uint8_t* out_pixel(int y, int x, int channel) const {
    const std::ptrdiff_t pixel = std::ptrdiff_t{y} * args.shape.out_width + x;
    return args.out + pixel * args.out_pixel_stride + channel;
  }

  const DepthwiseArgs& args;
  int quads, taps;
  int rows;  // output rows whose weights are packed together
  alignas(64) std::uint8_t padding[kVectorBytes];
};

// A row of the image from a block's first channel on; outside the image it is the padding, and
// `keep` makes every offset 0.
struct SourceRow {
  const std::uint8_t* pixels;
  std::ptrdiff_t keep;
};

// The image rows that output rows [y, y + rows) see, and the last one again up to `count` rows,
// which the zero weights of a quad's unused rows meet.
inline void locate_rows(const Strip& strip, int y, int rows, int channel, SourceRow* source,
                        int count) {
  const DepthwiseShape& s = strip.args.shape;
  const int used = s.kernel_height + (rows - 1) * s.stride;
  for (int i = 0; i < count; ++i) {
    const int row = y * s.stride - s.pad_top + (i < used ? i : used - 1) * s.dilation;
    const std::ptrdiff_t pixel = std::ptrdiff_t{row} * s.in_width;
    source[i] = row >= 0 && row < s.in_height
                    ? SourceRow{strip.args.x + pixel * strip.args.x_pixel_stride + channel, -1}
                    : SourceRow{strip.padding, 0};
  }
}

// Bytes of four rows as dwords of four vertical taps.
struct Column {
  Bytes group[kGroups];
};
[[gnu::always_inline]] inline Column interleave(Bytes row0, Bytes row1, Bytes row2, Bytes row3) {
  const Bytes low01 = interleave_low_bytes(row0, row1);
  const Bytes high01 = interleave_high_bytes(row0, row1);
  const Bytes low23 = interleave_low_bytes(row2, row3);
  const Bytes high23 = interleave_high_bytes(row2, row3);
  return {{interleave_low_pairs(low01, low23), interleave_high_pairs(low01, low23),
           interleave_low_pairs(high01, high23), interleave_high_pairs(high01, high23)}};
}

// kLanes lanes of channels from `first_channel` on, as the multiplication reads them: arrays of
// whole vectors in the order of interleaved bytes, [group][lane][4]. A vector with more lanes than
// kLanes holds several pixels, and every array repeats its lanes for each.
struct BlockOperands {
  alignas(64) std::int32_t offset[kGroups * kVectorDwords];
  alignas(64) float scale[kGroups * kVectorDwords];
  alignas(64) float bias[kGroups * kVectorDwords];
  const std::int8_t* weights;  // [tap][row][group]
  alignas(64) std::int8_t repeated[kMostTaps * kMostRows * kGroups * kVectorBytes];

  // The packed block is `width` channels wide; these begin with its lane `first_lane`.
  template <int kLanes>
  void load(const Strip& strip, const std::int8_t* packed, int width, int first_channel,
            int first_lane) {
    const DepthwiseArgs& args = strip.args;
    for (int at = 0; at < kGroups * kVectorLanes; ++at) {
      const int channel =
          first_channel + at % kVectorLanes % kLanes * kLaneBytes + at / kVectorLanes * kLaneDwords;
      std::memcpy(offset + at * kLaneDwords, args.offset + channel, kLaneBytes);
      std::memcpy(scale + at * kLaneDwords, args.scale + channel, kLaneBytes);
      std::memcpy(bias + at * kLaneDwords, args.bias + channel, kLaneBytes);
    }
    weights = packed;
    if (width == kVectorBytes) {
      return;
    }
    const int groups = strip.taps * strip.rows * kGroups;
    for (int group = 0; group < groups; ++group) {
      for (int lane = 0; lane < kVectorLanes; ++lane) {
        std::memcpy(repeated + group * kVectorBytes + lane * kLaneBytes,
                    packed + group * width + (first_lane + lane % kLanes) * kLaneBytes, kLaneBytes);
      }
    }
    weights = repeated;
  }
};

// pixel = table[pixel] for `count` pixels of kLanes lanes.
template <int kLanes>
inline void look_up(const std::uint8_t* values, std::uint8_t* pixels, std::ptrdiff_t stride,
                    int count) {
  const ByteTable table(values);
  for (int done = 0; done < count; done += kVectorLanes / kLanes) {
    // Instead of those beyond the last, that one again.
    const auto at = [&](int pixel) {
      return pixels + (done + pixel < count ? done + pixel : count - 1) * stride;
    };
    table(Bytes::gather<kLanes>(at)).template scatter<kLanes>(at);
  }
}

}  // namespace
}  // namespace qe::kernels
