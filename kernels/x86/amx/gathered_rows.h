// Rows of A that a tile cannot load where they lie, copied side by side: the pieces of a
// convolution, and the bytes behind the last whole step of any depth. Included only by files of
// this folder.
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
