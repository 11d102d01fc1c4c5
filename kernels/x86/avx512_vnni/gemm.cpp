// u8 x s8 matrix product with AVX-512 VNNI: micro-kernels of up to 6 rows by 64 columns whose 24
// accumulators stay in registers from the column offset to the stored result. Columns outer, rows
// inner: a panel of weights is read from memory once per block of rows, and the next one is fetched
// while the present one is multiplied. Uses F, BW, VL, DQ and VNNI only. Why 6 x 64:
// docs/decisions/0002-gemm-microkernel.md.
#include <immintrin.h>

#include <array>
#include <cstring>

#include "kernels/cache.h"
#include "kernels/isa_tables.h"
#include "kernels/x86/apply_activation.h"
#include "kernels/x86/avx512_vnni/f32x16.h"

namespace qe::kernels::avx512_vnni {
namespace {

constexpr int kTileRows = 6;
constexpr int kVectors = kPanelWidth / kColumnGroup;
constexpr int kLineBytes = 64;
// Up to this many rows, the weights are a stream, prefetched this many bytes ahead of its reading.
// With more rows there are at least two tiles, which fetch the next panel beside the present one:
// the short stream cannot hide the memory behind so much arithmetic.
constexpr int kStreamRows = 4;
constexpr int kStreamAhead = 4096;

// One micro-kernel call: `rows` rows from `row`, one panel from `column`.
struct Tile {
  const GemmArgs& args;
  const std::int8_t* b;
  int row, column;
  int steps;  // depth in groups of four
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
#pragma GCC unroll 8
  for (int v = 0; v < kWidth; ++v) {
    const __m512i offset =
        args.column_offset ? _mm512_loadu_si512(args.column_offset + tile.column + v * kColumnGroup)
                           : _mm512_setzero_si512();
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      acc[r][v] = offset;
    }
  }
  std::array<const std::uint8_t*, kRows> a;
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    a[r] = args.a + (tile.row + r) * args.lda;
  }
  const std::int8_t* b = tile.b;
  const std::int8_t* prefetch = tile.prefetch;
  std::ptrdiff_t depth = 0;
#pragma GCC unroll 1
  for (int step = 0; step < tile.steps; ++step) {
    _mm_prefetch(reinterpret_cast<const char*>(prefetch), _MM_HINT_T1);
    _mm_prefetch(reinterpret_cast<const char*>(prefetch + tile.prefetch_stride / 2), _MM_HINT_T1);
    prefetch += tile.prefetch_stride;
    __m512i column[kWidth];
#pragma GCC unroll 8
    for (int v = 0; v < kWidth; ++v) {
      column[v] = _mm512_load_si512(b + v * kLineBytes);
    }
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      std::int32_t group;
      std::memcpy(&group, a[r] + depth, sizeof(group));
      const __m512i row = _mm512_set1_epi32(group);
#pragma GCC unroll 8
      for (int v = 0; v < kWidth; ++v) {
        acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], row, column[v]);
      }
    }
    depth += kDepthGroup;
    b += kWidth * kLineBytes;
  }
}

// s32 sums become scaled floats with bias and, where the rows have them, floors. A missing row
// scale is 1 and a missing bias -0, which change no bit.
template <bool kFloored, int kRows, int kWidth>
[[gnu::always_inline]] inline void scale(const Tile& tile, const Block<kRows, kWidth>& acc,
                                         FloatBlock<kRows, kWidth>& y) {
  const GemmArgs& args = tile.args;
  __m512 row_scale[kRows];
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    row_scale[r] = _mm512_set1_ps(args.row_scale ? args.row_scale[tile.row + r] : 1.0F);
  }
#pragma GCC unroll 8
  for (int v = 0; v < kWidth; ++v) {
    const int column = tile.column + v * kColumnGroup;
    const __m512 column_scale = _mm512_loadu_ps(args.column_scale + column);
    const __m512 bias = args.bias ? _mm512_loadu_ps(args.bias + column) : _mm512_set1_ps(-0.0F);
    const __m512 weight_sum = kFloored ? _mm512_loadu_ps(args.column_weight_sum + column) : bias;
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
      const __m512 addend =
          kFloored ? _mm512_fmadd_ps(_mm512_set1_ps(args.row_floor[tile.row + r]), weight_sum, bias)
                   : bias;
      y[r][v] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(acc[r][v]),
                                _mm512_mul_ps(row_scale[r], column_scale), addend);
    }
  }
}

// Sixteen columns of a row of floats: all of them ...
struct WholeVectors {
  static __m512 load(const float* row, int v) { return _mm512_loadu_ps(row + v * kColumnGroup); }
  static void store(float* row, int v, __m512 value) {
    _mm512_storeu_ps(row + v * kColumnGroup, value);
  }
};
// ... or those of the first `columns` of the row.
struct FirstColumns {
  int columns;

  __mmask16 mask(int v) const {
    const int left = columns - v * kColumnGroup;
    return left >= kColumnGroup ? 0xffff : static_cast<__mmask16>(left > 0 ? (1U << left) - 1 : 0);
  }
  __m512 load(const float* row, int v) const {
    return _mm512_maskz_loadu_ps(mask(v), row + v * kColumnGroup);
  }
  void store(float* row, int v, __m512 value) const {
    _mm512_mask_storeu_ps(row + v * kColumnGroup, mask(v), value);
  }
};

// Whether all columns of the tile exist: then nothing is masked (AMD stores masked vectors slowly).
bool is_full(const Tile& tile, int width) {
  return tile.args.n - tile.column >= width * kColumnGroup;
}

template <int kRows, int kWidth, class Access>
[[gnu::always_inline]] inline void store_f32(const Tile& tile, const FloatBlock<kRows, kWidth>& y,
                                             Access access) {
  const GemmArgs& args = tile.args;
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    float* out = args.out_f32 + (tile.row + r) * args.ld_out_f32 + tile.column;
    const float* residual =
        args.residual ? args.residual + (tile.row + r) * args.ld_residual + tile.column : nullptr;
#pragma GCC unroll 8
    for (int v = 0; v < kWidth; ++v) {
      const __m512 value = residual ? _mm512_add_ps(y[r][v], access.load(residual, v)) : y[r][v];
      access.store(out, v, value);
    }
  }
}

// Bytes of one row in natural column order: the packs interleave the four 128-bit lanes of the
// vectors, one permutation of dwords puts them back. Only the upper bound needs a clamp: the packs
// saturate at 0, where the conversion has sent NaN as well.
template <int kWidth>
[[gnu::always_inline]] inline __m512i to_bytes(const __m512 (&t)[kWidth]) {
  __m512i q[kVectors];
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) {
    q[v] = v < kWidth
               ? _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(255.0F), t[v < kWidth ? v : 0]))
               : _mm512_setzero_si512();
  }
  const __m512i bytes =
      _mm512_packus_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, bytes);
}

template <int kRows, int kWidth>
[[gnu::always_inline]] inline void store_u8(const Tile& tile, FloatBlock<kRows, kWidth>& y) {
  const GemmArgs& args = tile.args;
  const bool full = is_full(tile, kWidth);
  if (args.activation != Activation::kNone) {
    const __m512 inv_scale = _mm512_set1_ps(args.out_inv_scale);
    const __m512 zero_point = _mm512_set1_ps(args.out_zero_point);
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kWidth; ++v) {
        y[r][v] = _mm512_fmadd_ps(y[r][v], inv_scale, zero_point);
      }
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    std::uint8_t* out = args.out_u8 + (tile.row + r) * args.ld_out_u8 + tile.column;
    const __m512i bytes = to_bytes<kWidth>(y[r]);
    if (kWidth == kVectors && full) {
      _mm512_storeu_si512(out, bytes);
    } else {
      const int columns = full ? kWidth * kColumnGroup : args.n - tile.column;
      _mm512_mask_storeu_epi8(out, (__mmask64{1} << columns) - 1, bytes);
    }
  }
}

template <int kRows, int kWidth>
void multiply_tile(const Tile& tile) {
  Block<kRows, kWidth> acc;
  accumulate<kRows, kWidth>(tile, acc);
  FloatBlock<kRows, kWidth> y;
  if (tile.args.row_floor) {
    scale<true, kRows, kWidth>(tile, acc, y);
  } else {
    scale<false, kRows, kWidth>(tile, acc, y);
  }
  if (tile.args.activation != Activation::kNone) {
    alignas(64) std::array<float, kRows * kWidth * kColumnGroup> scratch;
#pragma GCC unroll 24
    for (int i = 0; i < kRows * kWidth; ++i) {
      _mm512_store_ps(scratch.data() + i * kColumnGroup, y[i / kWidth][i % kWidth]);
    }
    apply_activation<F32x16>(tile.args.activation, scratch.data(),
                             static_cast<int>(scratch.size()));
#pragma GCC unroll 24
    for (int i = 0; i < kRows * kWidth; ++i) {
      y[i / kWidth][i % kWidth] = _mm512_load_ps(scratch.data() + i * kColumnGroup);
    }
  }
  if (tile.args.out_u8) {
    store_u8<kRows, kWidth>(tile, y);
  } else if (is_full(tile, kWidth)) {
    store_f32<kRows, kWidth>(tile, y, WholeVectors{});
  } else {
    store_f32<kRows, kWidth>(tile, y, FirstColumns{tile.args.n - tile.column});
  }
}

using TileFunction = void (*)(const Tile&);

template <int kWidth>
constexpr std::array<TileFunction, kTileRows> kTileFunctionsOfWidth = {
    multiply_tile<1, kWidth>, multiply_tile<2, kWidth>, multiply_tile<3, kWidth>,
    multiply_tile<4, kWidth>, multiply_tile<5, kWidth>, multiply_tile<6, kWidth>};

// [vectors a panel - 1][rows - 1]
constexpr std::array<std::array<TileFunction, kTileRows>, kVectors> kTileFunctions = {
    kTileFunctionsOfWidth<1>, kTileFunctionsOfWidth<2>, kTileFunctionsOfWidth<3>,
    kTileFunctionsOfWidth<4>};

// Rows whose part of A stays in the second-level cache beside the present and the next panel.
int rows_per_block(const GemmArgs& args, int depth) {
  const auto cache = static_cast<std::ptrdiff_t>(l2_cache_bytes() / 4 * 3);
  const std::ptrdiff_t rows = (cache - 2 * kPanelWidth * std::ptrdiff_t{depth}) / (depth + 1);
  const int most = rows < 8 * kTileRows ? 8 * kTileRows
                   : rows < args.m      ? static_cast<int>(rows)
                                        : args.m;
  const int blocks = (args.m + most - 1) / most;
  return (args.m + blocks - 1) / blocks;
}

void multiply_rows(const GemmArgs& args, int first_row, int rows) {
  const int steps = round_up(args.k, kDepthGroup) / kDepthGroup;
  const bool stream = rows <= kStreamRows;
  const int tiles =
      rows > kStreamRows && rows <= kTileRows ? 2 : (rows + kTileRows - 1) / kTileRows;
  const bool to_the_end = args.last_panel == panel_count(args.n);
  for (int panel = args.first_panel; panel < args.last_panel; ++panel) {
    const int column = panel * kPanelWidth;
    const int left = (round_up(args.n, kColumnGroup) - column) / kColumnGroup;
    const int vectors = left < kVectors ? left : kVectors;
    const std::ptrdiff_t step_bytes = vectors * kLineBytes;
    const std::int8_t* b = args.b + static_cast<std::ptrdiff_t>(column) * steps * kDepthGroup;
    // The tiles share the fetching of the next panel. Behind the last panel of the matrix the next
    // product's weights are likely; behind the last of a share, another thread's are.
    const bool fetches_next = panel + 1 < args.last_panel || to_the_end;
    const std::ptrdiff_t stride = stream ? step_bytes : fetches_next ? step_bytes / tiles : 0;
    const std::int8_t* prefetch = b + (stream ? kStreamAhead : step_bytes * steps);
    int row = first_row;
    // Tiles of nearly equal height: no short last tile that cannot fill the multipliers.
    for (int tile = 0; tile < tiles; ++tile) {
      const int height = rows / tiles + (tile < rows % tiles ? 1 : 0);
      kTileFunctions[vectors - 1][height - 1](
          {args, b, row, column, steps, prefetch + tile * stride * steps, stride});
      row += height;
    }
  }
}

}  // namespace

void gemm(const GemmArgs& args) noexcept {
  const int depth = round_up(args.k, kDepthGroup);
  if (args.m <= 0) {
    return;
  }
  const int block = rows_per_block(args, depth);
  for (int row = 0; row < args.m; row += block) {
    multiply_rows(args, row, block < args.m - row ? block : args.m - row);
  }
}

}  // namespace qe::kernels::avx512_vnni
