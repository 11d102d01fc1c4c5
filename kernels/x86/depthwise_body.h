// The depthwise convolution of spatial_args.h, included once by the depthwise.cpp of each x86
// instruction set after its bytes.h. A block of channels is computed a strip of output rows (one or
// two) at a time, the strip a tile of columns at a time, in three steps:
//   interleave  the bytes of four image rows become dwords of four vertical taps, borders included,
//               in a scratch that stays in the L1 cache,
//   multiply    every output sums its columns: one multiplication does four taps of a channel,
//   finish      table, channel sums, and stores that are not whole vectors.
// A vector is one pixel of as many channels as it has bytes, or, for the last 32 or 16 channels,
// several neighbouring pixels. Everything is in an anonymous namespace, so no body is shared
// between folders.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "kernels/kernel_table.h"

namespace qe::kernels {
namespace {

inline constexpr int kQuad = 4;          // rows interleaved
inline constexpr int kGroups = 4;        // vectors of dwords that a vector of bytes becomes
inline constexpr int kLaneBytes = 16;    // and channels
inline constexpr int kMostColumns = 7;   // of a kernel
inline constexpr int kMostTaps = 2 * 7;  // quads times columns
inline constexpr int kMostRows = 2;      // of a strip
inline constexpr int kLaneDwords = 4;
inline constexpr int kVectorDwords = kVectorBytes / 4;
// The scratch of one group; vectors that hang over its end may be read.
inline constexpr int kUsedGroupBytes = 4096;
inline constexpr int kGroupBytes = kUsedGroupBytes + 64;

// A block of channels as the multiplication reads it: every array holds whole vectors in the order
// of the interleaved bytes, [group][lane][4], lanes repeated for each pixel of a vector.
struct BlockOperands {
  alignas(64) std::int32_t offset[kGroups * kVectorDwords];
  alignas(64) float scale[kGroups * kVectorDwords];
  alignas(64) float bias[kGroups * kVectorDwords];
  const std::int8_t* weights;  // [tap][row][group]
  alignas(64) std::int8_t repeated[kMostTaps * kMostRows * kGroups * kVectorBytes];
};

// What every block of a call shares.
struct Strip {
  explicit Strip(const DepthwiseArgs& a)
      : args(a),
        quads(depthwise_quads(a.shape.kernel_height)),
        taps(quads * a.shape.kernel_width),
        rows(depthwise_rows(a.shape)) {
    Bytes::broadcast(a.x_zero_point).store(padding);
  }
  const DepthwiseArgs& args;
  int quads, taps;
  int rows;  // output rows at a time
  alignas(64) std::uint8_t padding[kVectorBytes];
};

// How the columns of a tile lie in the scratch, in slots of one pixel. Outputs side by side read
// columns `stride` apart, so these lie side by side: a plane for each column residue. The columns
// of a dilated kernel share nothing: a plane for each.
template <int kLanes>
struct ColumnPlan {
  static constexpr int kPixels = kVectorLanes / kLanes;  // of a vector
  static constexpr int kSlotBytes = kLanes * kLaneBytes;

  explicit ColumnPlan(const Strip& strip) {
    const DepthwiseShape& s = strip.args.shape;
    const bool dilated = s.dilation > 1;
    planes = dilated || s.kernel_width < s.stride ? s.kernel_width : s.stride;
    int extra_slots = 0;
    for (int p = 0; p < planes; ++p) {
      origin[p] = p * s.dilation;
      extra[p] = dilated ? 0 : (s.kernel_width - 1 - p) / s.stride;
      extra_slots += extra[p];
    }
    const int slots = kUsedGroupBytes / kSlotBytes / strip.quads;
    const int most = ((slots - extra_slots) / planes - (kPixels - 1)) / kPixels * kPixels;
    const int tiles = (s.out_width + most - 1) / most;
    tile = round_up((s.out_width + tiles - 1) / tiles, kPixels);
    int start[kMostColumns];
    int quad_slots = 0;
    for (int p = 0; p < planes; ++p) {
      start[p] = quad_slots;
      quad_slots += round_up(tile + extra[p], kPixels);
    }
    for (int tap = 0; tap < strip.taps; ++tap) {
      const int j = tap % s.kernel_width;
      const int slot = dilated ? start[j] : start[j % s.stride] + j / s.stride;
      tap_offset[tap] = (tap / s.kernel_width * quad_slots + slot) * kSlotBytes;
    }
  }

  int tile;  // output columns at a time, a multiple of kPixels
  int planes;
  int origin[kMostColumns];  // input column of a plane's first slot, from that of the tile
  int extra[kMostColumns];   // slots beyond one for each output
  int tap_offset[kMostTaps];
};

// One call of the multiplication: a few vectors side by side, of each row of the strip.
struct Tile {
  const BlockOperands& block;
  const std::uint8_t* columns;
  const int* tap_offset;
  int taps;
  std::ptrdiff_t tap_weights;  // bytes from one tap's weights to the next
  std::uint8_t* out;
  std::ptrdiff_t row_stride, vector_stride;
};

template <int kRows, int kCount>
[[gnu::noinline]] void multiply_columns(const Tile& tile) {
  Sums acc[kRows][kCount][kGroups];
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
    const Sums offset = Sums::load(tile.block.offset + g * kVectorDwords);
#pragma GCC unroll 6
    for (int i = 0; i < kRows * kCount; ++i) {
      acc[i / kCount][i % kCount][g] = offset;
    }
  }
  const std::int8_t* weights = tile.block.weights;
#pragma GCC unroll 1
  for (int tap = 0; tap < tile.taps; ++tap) {
    const std::uint8_t* columns = tile.columns + tile.tap_offset[tap];
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      Bytes w[kRows];
#pragma GCC unroll 2
      for (int r = 0; r < kRows; ++r) {
        w[r] = Bytes::load(weights + (r * kGroups + g) * kVectorBytes);
        // Into a register, or the compiler reads it again for every product.
        asm("" : "+v"(w[r].v));
      }
#pragma GCC unroll 6
      for (int v = 0; v < kCount; ++v) {
        const Bytes column = Bytes::load(columns + g * kGroupBytes + v * kVectorBytes);
#pragma GCC unroll 2
        for (int r = 0; r < kRows; ++r) {
          acc[r][v][g] = add_dot(acc[r][v][g], column, w[r]);
        }
      }
    }
    weights += tile.tap_weights;
  }
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
#pragma GCC unroll 6
    for (int i = 0; i < kRows * kCount; ++i) {
      Sums& sums = acc[i / kCount][i % kCount][g];
      sums = requantize(sums, tile.block.scale + g * kVectorDwords,
                        tile.block.bias + g * kVectorDwords);
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < kRows * kCount; ++i) {
    const Sums(&q)[kGroups] = acc[i / kCount][i % kCount];
    join_bytes(q[0], q[1], q[2], q[3])
        .store(tile.out + i / kCount * tile.row_stride + i % kCount * tile.vector_stride);
  }
}

template <int kRows, int kCount>
inline void multiply_up_to(const Tile& tile, int count) {
  if constexpr (kCount > 1) {
    if (count < kCount) {
      return multiply_up_to<kRows, kCount - 1>(tile, count);
    }
  }
  multiply_columns<kRows, kCount>(tile);
}

// All `vectors` of a strip, in tiles of nearly equal width.
template <int kRows>
inline void multiply_strip(Tile tile, int vectors) {
  constexpr int kMost = kTileOutputs / kRows;
  const int tiles = (vectors + kMost - 1) / kMost;
  for (int i = 0; i < tiles; ++i) {
    const int count = vectors / tiles + (i < vectors % tiles ? 1 : 0);
    multiply_up_to<kRows, kMost>(tile, count);
    tile.columns += count * kVectorBytes;
    tile.out += count * tile.vector_stride;
  }
}

// Sums of each channel's bytes, in 16 bits for as long as these last.
class ChannelSums {
 public:
  explicit ChannelSums(std::uint32_t* sum) : sum_(sum) { clear(); }

  // Before adding up to `vectors` vectors.
  template <int kLanes>
  void make_room(int vectors) {
    if (pending_ + vectors > kMostPending) {
      flush<kLanes>();
    }
    pending_ += vectors;
  }
  void add(Bytes bytes) {
    all_ = add_pairs(all_, bytes);
    odd_ = add_pairs(odd_, odd_bytes(bytes));
  }
  // The 16-bit sums of all bytes hold those of the even ones plus 256 times those of the odd ones.
  template <int kLanes>
  void flush() {
    alignas(64) std::uint16_t all[kVectorBytes / 2];
    alignas(64) std::uint16_t odd[kVectorBytes / 2];
    all_.store(all);
    odd_.store(odd);
    for (int pixel = 0; pixel < kVectorLanes / kLanes; ++pixel) {
      for (int i = 0; i < kLanes * kLaneBytes / 2; ++i) {
        const int at = pixel * kLanes * kLaneBytes / 2 + i;
        sum_[2 * i] += static_cast<std::uint16_t>(all[at] - (odd[at] << 8));
        sum_[2 * i + 1] += odd[at];
      }
    }
    clear();
  }

 private:
  static constexpr int kMostPending = 65535 / 255;

  void clear() {
    all_ = odd_ = Bytes::broadcast(0);
    pending_ = 0;
  }

  std::uint32_t* sum_;
  Bytes all_, odd_;
  int pending_;
};

// kLanes lanes of channels from `first_channel` on, whose packed block begins at `packed` and is
// `width` channels wide, of which these begin at lane `first_lane`.
template <int kLanes>
class DepthwiseBlock {
 public:
  DepthwiseBlock(const Strip& strip, const std::int8_t* packed, int first_channel, int width,
                 int first_lane)
      : strip_(strip),
        args_(strip.args),
        channel_(first_channel),
        plan_(strip),
        sums_(args_.channel_sum + (args_.channel_sum ? first_channel : 0)) {
    for (int at = 0; at < kGroups * kVectorLanes; ++at) {
      const int channel =
          first_channel + at % kVectorLanes % kLanes * kLaneBytes + at / kVectorLanes * kLaneDwords;
      std::memcpy(block_.offset + at * kLaneDwords, args_.offset + channel, kLaneBytes);
      std::memcpy(block_.scale + at * kLaneDwords, args_.scale + channel, kLaneBytes);
      std::memcpy(block_.bias + at * kLaneDwords, args_.bias + channel, kLaneBytes);
    }
    block_.weights = packed;
    if (width != kVectorBytes) {
      repeat_weights(packed, width, first_lane);
    }
  }

  void run() {
    for (int y = args_.row_begin; y < args_.row_end; y += strip_.rows) {
      const int rows = args_.row_end - y < strip_.rows ? args_.row_end - y : strip_.rows;
      locate_rows(y, rows);
      for (int x = 0; x < args_.shape.out_width; x += plan_.tile) {
        const int left = args_.shape.out_width - x;
        run_tile(y, rows, x, left < plan_.tile ? left : plan_.tile);
      }
    }
    if (args_.channel_sum) {
      sums_.template flush<kLanes>();
    }
  }

 private:
  using Plan = ColumnPlan<kLanes>;

  // A row of the image from the block's first channel on; outside it, the padding, and `keep` makes
  // every offset 0.
  struct SourceRow {
    const std::uint8_t* pixels;
    std::ptrdiff_t keep;
  };

  void repeat_weights(const std::int8_t* packed, int width, int first_lane) {
    const int groups = strip_.taps * strip_.rows * kGroups;
    for (int group = 0; group < groups; ++group) {
      for (int lane = 0; lane < kVectorLanes; ++lane) {
        std::memcpy(block_.repeated + group * kVectorBytes + lane * kLaneBytes,
                    packed + group * width + (first_lane + lane % kLanes) * kLaneBytes, kLaneBytes);
      }
    }
    block_.weights = block_.repeated;
  }

  void locate_rows(int y, int rows) {
    const DepthwiseShape& s = args_.shape;
    const int used = s.kernel_height + (rows - 1) * s.stride;
    for (int i = 0; i < strip_.quads * kQuad; ++i) {
      // Weights of unused rows are zero: reading the last used one again costs nothing.
      const int row = y * s.stride - s.pad_top + (i < used ? i : used - 1) * s.dilation;
      const bool inside = row >= 0 && row < s.in_height;
      const std::ptrdiff_t pixel = std::ptrdiff_t{row} * s.in_width;
      source_[i] = inside ? SourceRow{args_.x + pixel * args_.x_pixel_stride + channel_, -1}
                          : SourceRow{strip_.padding, 0};
    }
  }

  // A vector of pixels `stride` columns apart, the first at `column`, of four rows.
  template <bool kInside>
  void interleave_pixels(const SourceRow* rows, int column, std::uint8_t* to) {
    const DepthwiseShape& s = args_.shape;
    Bytes row[kQuad];
#pragma GCC unroll 4
    for (int r = 0; r < kQuad; ++r) {
      row[r] = Bytes::gather<kLanes>([&](int pixel) {
        const int at = column + pixel * s.stride;
        if (!kInside && (at < 0 || at >= s.in_width)) {
          return static_cast<const std::uint8_t*>(strip_.padding);
        }
        return rows[r].pixels + (at * args_.x_pixel_stride & rows[r].keep);
      });
    }
    const Bytes low01 = interleave_low_bytes(row[0], row[1]);
    const Bytes high01 = interleave_high_bytes(row[0], row[1]);
    const Bytes low23 = interleave_low_bytes(row[2], row[3]);
    const Bytes high23 = interleave_high_bytes(row[2], row[3]);
    interleave_low_pairs(low01, low23).store(to);
    interleave_high_pairs(low01, low23).store(to + kGroupBytes);
    interleave_low_pairs(high01, high23).store(to + 2 * kGroupBytes);
    interleave_high_pairs(high01, high23).store(to + 3 * kGroupBytes);
  }

  // The columns that output columns [x, x + width) see.
  void interleave(int x, int width) {
    const DepthwiseShape& s = args_.shape;
    for (int q = 0; q < strip_.quads; ++q) {
      for (int p = 0; p < plan_.planes; ++p) {
        // The first tap of a plane begins with its first slot.
        std::uint8_t* to = columns_ + plan_.tap_offset[q * s.kernel_width + p];
        const int length = width + plan_.extra[p];
        int column = x * s.stride - s.pad_left + plan_.origin[p];
        for (int i = 0; i < length; i += Plan::kPixels) {
          if (column >= 0 && column + (Plan::kPixels - 1) * s.stride < s.in_width) {
            interleave_pixels<true>(source_ + q * kQuad, column, to);
          } else {
            interleave_pixels<false>(source_ + q * kQuad, column, to);
          }
          column += Plan::kPixels * s.stride;
          to += kVectorBytes;
        }
      }
    }
  }

  std::uint8_t* out_pixel(int y, int x) const {
    const std::ptrdiff_t pixel = std::ptrdiff_t{y} * args_.shape.out_width + x;
    return args_.out + pixel * args_.out_pixel_stride + channel_;
  }

  void run_tile(int y, int rows, int x, int width) {
    interleave(x, width);
    const bool direct = Plan::kPixels == 1 && !args_.table && !args_.channel_sum;
    const int vectors = (width + Plan::kPixels - 1) / Plan::kPixels;
    Tile tile{.block = block_,
              .columns = columns_,
              .tap_offset = plan_.tap_offset,
              .taps = strip_.taps,
              .tap_weights = strip_.rows * kGroups * kVectorBytes,
              .out = direct ? out_pixel(y, x) : bytes_,
              .row_stride = direct ? args_.shape.out_width * args_.out_pixel_stride : kBytesRow,
              .vector_stride = direct ? args_.out_pixel_stride : kVectorBytes};
    if (rows == 1) {
      multiply_strip<1>(tile, vectors);
    } else {
      multiply_strip<2>(tile, vectors);
    }
    if (!direct) {
      finish(y, rows, x, width);
    }
  }

  void finish(int y, int rows, int x, int width) {
    const int vectors = (width + Plan::kPixels - 1) / Plan::kPixels;
    if (args_.table) {
      const ByteTable table(args_.table);
      for (int r = 0; r < rows; ++r) {
        for (int v = 0; v < vectors; ++v) {
          std::uint8_t* at = bytes_ + r * kBytesRow + v * kVectorBytes;
          table(Bytes::load(at)).store(at);
        }
      }
    }
    if (args_.channel_sum) {
      add_sums(rows, vectors, width);
    }
    for (int r = 0; r < rows; ++r) {
      const std::uint8_t* from = bytes_ + r * kBytesRow;
      std::uint8_t* out = out_pixel(y + r, x);
      for (int i = 0; i < width; ++i) {
        std::memcpy(out, from, Plan::kSlotBytes);
        from += Plan::kSlotBytes;
        out += args_.out_pixel_stride;
      }
    }
  }

  void add_sums(int rows, int vectors, int width) {
    sums_.template make_room<kLanes>(rows * vectors);
    for (int r = 0; r < rows; ++r) {
      std::uint8_t* row = bytes_ + r * kBytesRow;
      // The pixels of the last vector that do not exist count nothing.
      std::memset(row + width * Plan::kSlotBytes, 0,
                  vectors * kVectorBytes - width * Plan::kSlotBytes);
      for (int v = 0; v < vectors; ++v) {
        sums_.add(Bytes::load(row + v * kVectorBytes));
      }
    }
  }

  static constexpr int kBytesRow = kUsedGroupBytes;

  const Strip& strip_;
  const DepthwiseArgs& args_;
  int channel_;
  Plan plan_;
  ChannelSums sums_;
  SourceRow source_[2 * kQuad];
  BlockOperands block_;
  alignas(64) std::uint8_t columns_[kGroups * kGroupBytes];
  alignas(64) std::uint8_t bytes_[kMostRows * kBytesRow];
};

// The packed block of `width` channels from `first_channel` on.
template <int kWidth>
inline void convolve_block(const Strip& strip, int first_channel) {
  constexpr int kBlockLanes = kWidth / kLaneBytes;
  constexpr int kLanes = kBlockLanes < kVectorLanes ? kBlockLanes : kVectorLanes;
  const std::int8_t* packed =
      strip.args.packed + std::ptrdiff_t{first_channel} * strip.taps * strip.rows * kQuad;
  for (int lane = 0; lane < kBlockLanes; lane += kLanes) {
    DepthwiseBlock<kLanes>(strip, packed, first_channel + lane * kLaneBytes, kWidth, lane).run();
  }
}

inline void depthwise_body(const DepthwiseArgs& args) {
  const Strip strip(args);
  const int channels = round_up(args.shape.channels, kLaneBytes);
  int channel = 0;
  for (; channel + 64 <= channels; channel += 64) {
    convolve_block<64>(strip, channel);
  }
  if (channel + 32 <= channels) {
    convolve_block<32>(strip, channel);
    channel += 32;
  }
  if (channel < channels) {
    convolve_block<16>(strip, channel);
  }
}

}  // namespace
}  // namespace qe::kernels
