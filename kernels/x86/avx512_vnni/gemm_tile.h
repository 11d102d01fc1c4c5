// One tile of the u8 x s8 product: its place, and the sums of its rows and columns in registers,
// from the column offset through every tap and step of the depth. Included only by gemm.cpp of this
// folder and what it includes.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/kernel_table.h"
#include "kernels/x86/tap_rows.h"

namespace qe::kernels {
namespace {

inline constexpr int kVectors = kPanelWidth / kColumnGroup;  // of a whole panel
// The tallest tile of a panel of so many vectors: what 24 accumulators allow.
inline constexpr int kTallest[kVectors + 1] = {0, 12, 12, 8, 6};
inline constexpr int kLineBytes = 64;

// One micro-kernel call: rows from `row`, one panel from `column`.
struct Tile {
  const GemmArgs& args;
  const std::int8_t* b;
  int row, column;
  int steps;  // depth of each tap in groups of four
  const std::int8_t* prefetch;
  std::ptrdiff_t prefetch_stride;  // bytes a depth step; one line at its start, one halfway
};

// Registers of one tile. Plain arrays: std::array drops the alignment of a vector type.
template <int kRows, int kWidth>
using Block = __m512i[kRows][kWidth];
template <int kRows, int kWidth>
using FloatBlock = __m512[kRows][kWidth];

template <int kRows, int kWidth>
[[gnu::always_inline]] inline void accumulate(const Tile& tile, Block<kRows, kWidth>& acc) {
  const GemmArgs& args = tile.args;
#pragma GCC unroll 4
  for (int v = 0; v < kWidth; ++v) {
    const __m512i offset =
        args.column_offset ? _mm512_loadu_si512(args.column_offset + tile.column + v * kColumnGroup)
                           : _mm512_setzero_si512();
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      acc[r][v] = offset;
    }
  }
  const TapRows<kRows> rows(args, tile.row);
  const int taps = tap_count(args);
  const std::int8_t* b = tile.b;
  const std::int8_t* prefetch = tile.prefetch;
#pragma GCC unroll 1
  for (int tap = 0; tap < taps; ++tap) {
    const std::uint8_t* a[kRows];
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      a[r] = rows.piece(r, tap);
    }
    std::ptrdiff_t depth = 0;
#pragma GCC unroll 1
    for (int step = 0; step < tile.steps; ++step) {
      _mm_prefetch(reinterpret_cast<const char*>(prefetch), _MM_HINT_T1);
      _mm_prefetch(reinterpret_cast<const char*>(prefetch + tile.prefetch_stride / 2), _MM_HINT_T1);
      prefetch += tile.prefetch_stride;
      __m512i column[kWidth];
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; ++v) {
        column[v] = _mm512_load_si512(b + v * kLineBytes);
      }
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
        std::int32_t group;
        std::memcpy(&group, a[r] + depth, sizeof(group));
        const __m512i row = _mm512_set1_epi32(group);
#pragma GCC unroll 4
        for (int v = 0; v < kWidth; ++v) {
          acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], row, column[v]);
        }
      }
      depth += kDepthGroup;
      b += kWidth * kLineBytes;
    }
  }
}

// Whether all columns of the tile exist: then nothing is masked (AMD stores masked vectors slowly).
inline bool is_full(const Tile& tile, int width) {
  return tile.args.n - tile.column >= width * kColumnGroup;
}

// Columns of vector v that exist.
inline int columns_of(const Tile& tile, int v) {
  const int left = tile.args.n - tile.column - v * kColumnGroup;
  return left < kColumnGroup ? left : kColumnGroup;
}

}  // namespace
}  // namespace qe::kernels
