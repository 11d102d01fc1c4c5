// One tile of the u8 x s8 product: its place, and the sums of its rows and columns in registers,
// from the column offset through every tap and step of the depth. Included only by gemm.cpp of this
// folder.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/kernel_table.h"
#include "kernels/x86/avx512_vnni/gemm_epilogue.h"
#include "kernels/x86/tap_rows.h"

namespace qe::kernels {
namespace {

// The tallest tile of a panel of so many vectors: what 24 accumulators allow.
inline constexpr int kTallest[kVectors + 1] = {0, 12, 12, 8, 6};
inline constexpr int kLineBytes = 64;

// Where a tile's operands and results lie.
struct Tile : OutputTile {
  const std::int8_t* b;
  int steps;                       // depth of each tap in groups of four
  const std::int8_t* prefetch;     // moves on with each tile
  std::ptrdiff_t prefetch_stride;  // bytes a depth step; one line at its start, one halfway
};

template <int kRows, int kWidth>
[[gnu::always_inline]] inline void accumulate(Tile& tile, Block<kRows, kWidth>& acc) {
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
    rows.find(tap, a);
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
  tile.prefetch = prefetch;
}

}  // namespace
}  // namespace qe::kernels
