// Where tiles load the rows of A from: where they lie, as far as tiles can, else copied: the pieces
// of a convolution or the pixels that they overlap in, and the bytes behind the last whole step of
// any depth. Included only by files of this folder.
#pragma once

#include <immintrin.h>

#include <atomic>
#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/x86/amx/tiles.h"
#include "kernels/x86/tap_rows.h"

namespace qe::kernels {
namespace {

inline constexpr int kMostBlockRows = 2 * kTileRows;
inline constexpr int kMostGatheredDepth = 4608;  // 3x3 pixels of 512 channels

// Where the rows of one block lie. `last`, kTileDepth apart: the bytes that no whole step holds,
// behind zeros that meet depths already multiplied.
struct BlockRows {
  int row, rows;
  const std::uint8_t* a;
  std::ptrdiff_t lda;
  const std::uint8_t* last;
};

// Where a step's rows lie, if not behind those of the step before.
struct StepPlace {
  const std::uint8_t* a = nullptr;
  std::ptrdiff_t second = 0;  // bytes to the second tile of rows
};
inline constexpr int kMostPlaces = kMostGatheredDepth / kTileDepth;

static_assert(kMostTilePixels <= kTileRows);
inline bool divides_into_tiles(const GemmArgs& args) {
  const int tile = args.taps && args.taps->out_width > 0 ? tile_of_row(args.taps->out_width) : 0;
  return tile > 0 && args.taps->first_row % tile == 0 && args.m % tile == 0;
}

// Whether a piece of all of a tile's rows can be loaded from the image itself.
inline bool fits_direct(const GemmArgs& args) {
  return divides_into_tiles(args) && args.taps->row_step > 0 && args.k % kDepthGroup == 0 &&
         args.k <= kTileDepth && args.taps->count <= kMostPlaces;
}

// Whether pieces can be loaded from a copy of the pixels under a tile.
inline bool fits_window(const GemmArgs& args) {
  return divides_into_tiles(args) && args.taps->kernel_width > 1 && args.k % kTileDepth == 0 &&
         args.taps->stride <= args.taps->kernel_width &&
         args.taps->count * args.k <= kMostGatheredDepth;
}

// Pixels of the input under the kernels of a tile, in one row.
inline int window_width(const Taps& taps, int tile_rows) {
  return (tile_rows - 1) * taps.stride + taps.kernel_width;
}

class GatheredRows {
 public:
  // All of the rows; the depth of the taps together is at most kMostGatheredDepth.
  BlockRows gather(const GemmArgs& args, int row, int rows) {
    const int piece = round_up(args.k, kDepthGroup);
    const int depth = piece * args.taps->count;
    const std::ptrdiff_t stride = round_up(depth, kTileDepth) + kTileDepth;
    for (int r = 0; r < rows; ++r) {
      const TapRows<1> pieces(args, row + r);
      std::uint8_t* out = bytes_ + r * stride;
      for (int tap = 0; tap < args.taps->count; ++tap, out += piece) {
        const std::uint8_t* from[1];
        pieces.find(tap, from);
        copy(from[0], piece, out);
      }
    }
    return with_last({row, rows, bytes_, stride, last_}, depth);
  }

  // Each tile's pixels lie in one row of the output: the pixels of the input under all its kernels
  // are copied once, and a piece of every row is a place among them.
  BlockRows window(const GemmArgs& args, int row, int rows, int tile_rows, StepPlace* places) {
    const Taps& taps = *args.taps;
    const int width = window_width(taps, tile_rows);
    const int height = taps.count / taps.kernel_width;
    const std::ptrdiff_t tile_bytes = std::ptrdiff_t{args.k} * width * height;
    std::uint8_t* out = bytes_;
    for (int first = row; first < row + rows; first += tile_rows, out += tile_bytes) {
      copy_window(args, first, tile_rows, width, out);
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);  // tile loads are opaque to the compiler
    const std::ptrdiff_t second = rows > tile_rows ? tile_bytes : 0;
    if (places[0].a != bytes_ || places[0].second != second) {
      place_window(taps, args.k, width, second, places);
    }
    return {row, rows, bytes_, std::ptrdiff_t{args.k} * taps.stride, nullptr};
  }

  // Nothing is copied: each tap is a step.
  static BlockRows direct(const GemmArgs& args, int row, int rows, int tile_rows,
                          StepPlace* places) {
    const Taps& taps = *args.taps;
    const TapRows<1> first(args, row);
    const TapRows<1> second(args, rows > tile_rows ? row + tile_rows : row);
    for (int tap = 0; tap < taps.count; ++tap) {
      const std::uint8_t* from[1];
      const std::uint8_t* second_from[1];
      first.find(tap, from);
      second.find(tap, second_from);
      const auto distance = reinterpret_cast<std::intptr_t>(second_from[0]) -
                            reinterpret_cast<std::intptr_t>(from[0]);  // one may be the padding
      places[tap] = {from[0], distance};
    }
    return {row, rows, nullptr, taps.row_step, nullptr};
  }

  // Only what the last step needs: the others read A where it lies.
  BlockRows in_place(const GemmArgs& args, int row, int rows) {
    return with_last({row, rows, args.a + row * args.lda, args.lda, last_},
                     round_up(args.k, kDepthGroup));
  }

 private:
  BlockRows with_last(const BlockRows& rows, int depth) {
    const int rest = depth % kTileDepth;
    if (depth > kTileDepth && rest != 0) {
      const __mmask64 mask = ~std::uint64_t{0} << (kTileDepth - rest);
      const std::uint8_t* from = rows.a + depth - kTileDepth;
      for (int r = 0; r < rows.rows; ++r, from += rows.lda) {
        _mm512_store_si512(last_ + r * kTileDepth, _mm512_maskz_loadu_epi8(mask, from));
      }
    }
    std::atomic_signal_fence(std::memory_order_seq_cst);  // tile loads are opaque to the compiler
    return rows;
  }

  static void copy_window(const GemmArgs& args, int row, int tile_rows, int width,
                          std::uint8_t* out) {
    const Taps& taps = *args.taps;
    const int at = taps.first_row + row;
    const std::uint8_t* const image = args.a + at / taps.pixels * taps.image_stride;
    const std::int32_t* const offsets =
        taps.offset + static_cast<std::ptrdiff_t>(at % taps.pixels) * taps.count;
    for (int tap = 0; tap < taps.count; tap += taps.kernel_width) {
      const std::int32_t* pixel = offsets + tap;  // of the output, that sees this one first
      int left = tile_rows - 1;
      for (int j = 0, within = 0; j < width; ++j, ++within, out += args.k) {
        if (within == taps.stride && left > 0) {
          within = 0;
          pixel += taps.count;
          --left;
        }
        copy(pixel[within] == kPaddingTap ? taps.padding : image + pixel[within], args.k, out);
      }
    }
  }

  // The same for every block of as many tiles.
  void place_window(const Taps& taps, int k, int width, std::ptrdiff_t second,
                    StepPlace* places) const {
    for (int tap = 0; tap < taps.count; tap += taps.kernel_width) {
      const std::uint8_t* const row = bytes_ + std::ptrdiff_t{tap / taps.kernel_width} * width * k;
      for (int at = 0; at < taps.kernel_width * k; at += kTileDepth) {
        *places++ = {row + at, second};
      }
    }
  }

  // Writes whole vectors: what follows the piece is overwritten by the next one.
  static void copy(const std::uint8_t* from, int count, std::uint8_t* to) {
    for (; count >= kTileDepth; count -= kTileDepth, from += kTileDepth, to += kTileDepth) {
      _mm512_storeu_si512(to, _mm512_loadu_si512(from));
    }
    if (count > 0) {
      const __mmask64 mask = ~std::uint64_t{0} >> (kTileDepth - count);
      _mm512_storeu_si512(to, _mm512_maskz_loadu_epi8(mask, from));
    }
  }

  // A line more a row spreads rows over the sets of the cache.
  alignas(64) std::uint8_t bytes_[kMostBlockRows * (kMostGatheredDepth + 2 * kTileDepth)];
  alignas(64) std::uint8_t last_[kMostBlockRows * kTileDepth];
};

}  // namespace
}  // namespace qe::kernels
