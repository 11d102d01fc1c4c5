// Depthwise kernels of any size: a block of channels is computed a strip of output rows (one or
// two) at a time, the strip a tile of columns at a time, in three steps:
//   interleave  four image rows become dwords of four vertical taps, borders included, in a scratch
//               that stays in the L1 cache,
//   multiply    every output sums its columns: one multiplication does four taps of a channel,
//   finish      stores of vectors of several pixels, then table and channel sums.
// Included after depthwise_block.h.
#pragma once

#include "kernels/x86/depthwise_block.h"

namespace qe::kernels {
namespace {

// The scratch of one group; vectors that hang over its end may be read.
inline constexpr int kUsedGroupBytes = 4096;
inline constexpr int kGroupBytes = kUsedGroupBytes + 64;

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
    int start[kMostColumns] = {};
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

// kLanes lanes of channels from `channel` on.
template <int kLanes>
class DepthwiseTiles {
 public:
  DepthwiseTiles(const Strip& strip, const BlockOperands& block, int channel)
      : strip_(strip), args_(strip.args), block_(block), channel_(channel), plan_(strip) {}

  void run() {
    const int out_width = args_.shape.out_width;
    for (int y = args_.row_begin; y < args_.row_end; y += strip_.rows) {
      const int rows = args_.row_end - y < strip_.rows ? args_.row_end - y : strip_.rows;
      locate_rows(strip_, y, rows, channel_, source_, strip_.quads * kQuad);
      for (int x = 0; x < out_width; x += plan_.tile) {
        run_tile(y, rows, x, out_width - x < plan_.tile ? out_width - x : plan_.tile);
      }
    }
  }

 private:
  using Plan = ColumnPlan<kLanes>;

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
    const Column interleaved = interleave(row[0], row[1], row[2], row[3]);
#pragma GCC unroll 4
    for (int g = 0; g < kGroups; ++g) {
      interleaved.group[g].store(to + g * kGroupBytes);
    }
  }

  // The columns that output columns [x, x + width) see.
  void interleave_tile(int x, int width) {
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

  void run_tile(int y, int rows, int x, int width) {
    interleave_tile(x, width);
    // Vectors of one pixel go where they belong, the others by way of bytes_.
    constexpr bool kDirect = Plan::kPixels == 1;
    const int vectors = (width + Plan::kPixels - 1) / Plan::kPixels;
    std::uint8_t* pixels = strip_.out_pixel(y, x, channel_);
    const std::ptrdiff_t pixels_row = args_.shape.out_width * args_.out_pixel_stride;
    const Tile tile{.block = block_,
                    .columns = columns_,
                    .tap_offset = plan_.tap_offset,
                    .taps = strip_.taps,
                    .tap_weights = strip_.rows * kGroups * kVectorBytes,
                    .out = kDirect ? pixels : bytes_,
                    .row_stride = kDirect ? pixels_row : kBytesRow,
                    .vector_stride = kDirect ? args_.out_pixel_stride : kVectorBytes};
    if (rows == 1) {
      multiply_strip<1>(tile, vectors);
    } else {
      multiply_strip<2>(tile, vectors);
    }
    for (int r = 0; r < rows; ++r) {
      std::uint8_t* row = pixels + r * pixels_row;
      if (!kDirect) {
        store_pixels(bytes_ + r * kBytesRow, width, row);
      }
      if (args_.table) {
        look_up<kLanes>(args_.table, row, args_.out_pixel_stride, width);
      }
    }
  }

  void store_pixels(const std::uint8_t* bytes, int width, std::uint8_t* pixels) const {
    for (int i = 0; i < width; ++i) {
      std::memcpy(pixels, bytes, Plan::kSlotBytes);
      bytes += Plan::kSlotBytes;
      pixels += args_.out_pixel_stride;
    }
  }

  // Rows that do not begin at the same place of a page.
  static constexpr int kBytesRow = kUsedGroupBytes + 64;

  const Strip& strip_;
  const DepthwiseArgs& args_;
  const BlockOperands& block_;
  int channel_;
  Plan plan_;
  SourceRow source_[2 * kQuad];
  alignas(64) std::uint8_t columns_[kGroups * kGroupBytes];
  alignas(64) std::uint8_t bytes_[kMostRows * kBytesRow];
};

}  // namespace
}  // namespace qe::kernels
