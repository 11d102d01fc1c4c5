// What becomes of a tile's sums. The two that matter stay in registers: bytes of static models
// (residual of bytes and table included) and floats without an activation. Everything else passes
// through an L1 tile, so that its long code exists once and not for every shape. Only the last
// vector of a ragged matrix is masked. Included only by the products of this folder and of those
// above it, whose sums meet the same end.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/x86/apply_activation.h"
#include "kernels/x86/avx512_vnni/bytes.h"
#include "kernels/x86/avx512_vnni/f32x16.h"
#include "kernels/x86/tap_rows.h"

namespace qe::kernels {
namespace {

inline constexpr int kVectors = kPanelWidth / kColumnGroup;  // of a whole panel

// A piece of the result: rows from `row` on, columns of one panel from `column` on.
struct OutputTile {
  const GemmArgs& args;
  int row, column;
};

// Registers of one tile. Plain arrays: std::array drops the alignment of a vector type.
template <int kRows, int kWidth>
using Block = __m512i[kRows][kWidth];
template <int kRows, int kWidth>
using FloatBlock = __m512[kRows][kWidth];

// Columns of vector v that exist. Only rests are masked: AMD stores masked vectors slowly.
inline int columns_of(const OutputTile& tile, int v) {
  const int left = tile.args.n - tile.column - v * kColumnGroup;
  return left < kColumnGroup ? left : kColumnGroup;
}

// What the rows bring to the result beside the columns' scale and bias.
enum class RowTerms : std::uint8_t { kNone, kScale, kScaleAndFloor };

// Scale and bias of sixteen columns. A missing bias is -0, which changes no bit.
struct ColumnTerms {
  __m512 scale, bias, weight_sum;

  ColumnTerms() = default;
  ColumnTerms(const GemmArgs& args, int column)
      : scale(_mm512_loadu_ps(args.column_scale + column)),
        bias(args.bias ? _mm512_loadu_ps(args.bias + column) : _mm512_set1_ps(-0.0F)),
        weight_sum(args.row_floor ? _mm512_loadu_ps(args.column_weight_sum + column) : bias) {}
};

// Sums of one row and sixteen columns as scaled floats. A missing row scale is 1.
template <RowTerms kTerms>
[[gnu::always_inline]] inline __m512 scaled(const GemmArgs& args, int row,
                                            const ColumnTerms& columns, __m512i sum) {
  const __m512 x = _mm512_cvtepi32_ps(sum);
  if constexpr (kTerms == RowTerms::kNone) {
    return _mm512_fmadd_ps(x, columns.scale, columns.bias);
  }
  const __m512 row_scale = _mm512_set1_ps(args.row_scale ? args.row_scale[row] : 1.0F);
  const __m512 factor = _mm512_mul_ps(row_scale, columns.scale);
  if constexpr (kTerms == RowTerms::kScaleAndFloor) {
    const __m512 floor = _mm512_set1_ps(args.row_floor[row]);
    return _mm512_fmadd_ps(x, factor, _mm512_fmadd_ps(floor, columns.weight_sum, columns.bias));
  }
  return _mm512_fmadd_ps(x, factor, columns.bias);
}

template <RowTerms kTerms, int kRows, int kWidth>
[[gnu::always_inline]] inline void scale(const OutputTile& tile, const Block<kRows, kWidth>& acc,
                                         FloatBlock<kRows, kWidth>& y) {
#pragma GCC unroll 4
  for (int v = 0; v < kWidth; ++v) {
    const ColumnTerms columns(tile.args, tile.column + v * kColumnGroup);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      y[r][v] = scaled<kTerms>(tile.args, tile.row + r, columns, acc[r][v]);
    }
  }
}

inline void store_f32(float* out, const float* residual, __m512 y, int columns) {
  if (columns == kColumnGroup) {
    _mm512_storeu_ps(out, residual ? _mm512_add_ps(y, _mm512_loadu_ps(residual)) : y);
    return;
  }
  const __mmask16 mask = first_lanes(columns);
  _mm512_mask_storeu_ps(out, mask,
                        residual ? _mm512_add_ps(y, _mm512_maskz_loadu_ps(mask, residual)) : y);
}

// `last`: columns of the last vector of a row.
template <int kRows, int kWidth>
[[gnu::always_inline]] inline void store_f32(const OutputTile& tile,
                                             const FloatBlock<kRows, kWidth>& y, bool has_residual,
                                             int last) {
  const GemmArgs& args = tile.args;
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    float* out = args.out_f32 + (tile.row + r) * args.ld_out_f32 + tile.column;
    const float* residual =
        has_residual ? args.residual + (tile.row + r) * args.ld_residual + tile.column : nullptr;
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) {
      const int at = v * kColumnGroup;
      store_f32(out + at, has_residual ? residual + at : nullptr, y[r][v],
                v + 1 < kWidth ? kColumnGroup : last);
    }
  }
}

// Plus sixteen bytes of a residual.
[[gnu::always_inline]] inline __m512 add_bytes(__m512 y, const std::uint8_t* residual,
                                               __m512 scale) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(residual));
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)), scale, y);
}

// The bytes of four vectors in order: the packs interleave their 128-bit lanes, one permutation of
// dwords puts them back. The packs saturate, so values need no clamp that fit 32 bits; NaN, which
// the conversion makes the least integer, becomes 0.
[[gnu::always_inline]] inline __m512i to_bytes(const __m512 (&t)[4]) {
  __m512i q[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    q[i] = _mm512_cvtps_epi32(t[i]);
  }
  const __m512i bytes =
      _mm512_packus_epi16(_mm512_packs_epi32(q[0], q[1]), _mm512_packs_epi32(q[2], q[3]));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, bytes);
}

[[gnu::always_inline]] inline __m128i lane(__m512i x, int i) {
  switch (i) {
    case 0:
      return _mm512_castsi512_si128(x);
    case 1:
      return _mm512_extracti32x4_epi32(x, 1);
    case 2:
      return _mm512_extracti32x4_epi32(x, 2);
    default:
      return _mm512_extracti32x4_epi32(x, 3);
  }
}

// The first `columns` of 16 bytes; 8 is a common rest.
[[gnu::always_inline]] inline void store_u8(std::uint8_t* out, __m128i bytes, int columns) {
  if (columns == kColumnGroup) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(out), bytes);
  } else if (columns == kColumnGroup / 2) {
    _mm_storel_epi64(reinterpret_cast<__m128i*>(out), bytes);
  } else {
    _mm_mask_storeu_epi8(out, first_lanes(columns), bytes);
  }
}

// The bytes of a tile: vector i of its rows laid end to end is lane i % 4 of bytes[i / 4]. `last`:
// columns of the last vector of a row.
template <int kRows, int kWidth>
[[gnu::always_inline]] inline void store_u8(const OutputTile& tile, const __m512i* bytes,
                                            int last) {
  const GemmArgs& args = tile.args;
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
    std::uint8_t* out = args.out_u8 + (tile.row + r) * args.ld_out_u8 + tile.column;
    if (kWidth == 4 && last == kColumnGroup) {
      _mm512_storeu_si512(out, bytes[r]);
    } else if (kWidth == 2 && last == kColumnGroup) {
      const __m512i two = bytes[r / 2];
      const __m256i one =
          r % 2 == 0 ? _mm512_castsi512_si256(two) : _mm512_extracti64x4_epi64(two, 1);
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), one);
    } else {
#pragma GCC unroll 4
      for (int v = 0; v < kWidth; ++v) {
        const int i = r * kWidth + v;
        store_u8(out + v * kColumnGroup, lane(bytes[i / 4], i % 4),
                 v + 1 < kWidth ? kColumnGroup : last);
      }
    }
  }
}

// Decides once for the whole tile.
template <int kRows, int kWidth>
[[gnu::always_inline]] inline void store_u8(const OutputTile& tile, const __m512i* bytes) {
  const int last = columns_of(tile, kWidth - 1);
  if (last == kColumnGroup) {
    store_u8<kRows, kWidth>(tile, bytes, kColumnGroup);
  } else if (last == kColumnGroup / 2) {
    store_u8<kRows, kWidth>(tile, bytes, kColumnGroup / 2);
  } else {
    store_u8<kRows, kWidth>(tile, bytes, last);
  }
}

template <int kRows, int kWidth>
[[gnu::always_inline]] inline void add_residual(const OutputTile& tile, __m512 scale,
                                                FloatBlock<kRows, kWidth>& y) {
  const GemmArgs& args = tile.args;
#pragma GCC unroll 24
  for (int i = 0; i < kRows * kWidth; ++i) {
    const int r = i / kWidth;
    const int v = i % kWidth;
    const std::uint8_t* residual =
        args.residual_u8 + (tile.row + r) * args.ld_residual_u8 + tile.column;
    y[r][v] = add_bytes(y[r][v], residual + v * kColumnGroup, scale);
  }
}

template <int kRows, int kWidth>
[[gnu::always_inline]] inline void finish_bytes(const OutputTile& tile,
                                                FloatBlock<kRows, kWidth>& y) {
  const GemmArgs& args = tile.args;
  if (args.residual_u8) {
    add_residual<kRows, kWidth>(tile, _mm512_set1_ps(args.residual_scale), y);
  }
  constexpr int kCount = (kRows * kWidth + 3) / 4;
  __m512i bytes[kCount];
#pragma GCC unroll 8
  for (int j = 0; j < kCount; ++j) {
    __m512 t[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const bool exists = 4 * j + i < kRows * kWidth;
      const int at = exists ? 4 * j + i : 0;
      t[i] = exists ? y[at / kWidth][at % kWidth] : _mm512_setzero_ps();
    }
    bytes[j] = to_bytes(t);
  }
  if (args.table) {
    const ByteTable table(args.table);
#pragma GCC unroll 8
    for (int j = 0; j < kCount; ++j) {
      bytes[j] = table({bytes[j]}).v;
    }
  }
  store_u8<kRows, kWidth>(tile, bytes);
}

// One row of a tile of floats, already activated, to where it belongs.
inline void store_row(const OutputTile& tile, int row, int width, const float* y) {
  const GemmArgs& args = tile.args;
  if (args.out_f32) {
    const float* residual =
        args.residual ? args.residual + row * args.ld_residual + tile.column : nullptr;
    for (int v = 0; v < width; ++v) {
      const int at = v * kColumnGroup;
      store_f32(args.out_f32 + row * args.ld_out_f32 + tile.column + at,
                residual ? residual + at : nullptr, _mm512_load_ps(y + at), columns_of(tile, v));
    }
    return;
  }
  __m512 t[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    t[v] = v < width ? _mm512_load_ps(y + v * kColumnGroup) : _mm512_setzero_ps();
    if (args.activation != Activation::kNone) {
      t[v] = _mm512_fmadd_ps(t[v], _mm512_set1_ps(args.out_inv_scale),
                             _mm512_set1_ps(args.out_zero_point));
    } else if (args.residual_u8 && v < width) {
      t[v] = add_bytes(
          t[v], args.residual_u8 + row * args.ld_residual_u8 + tile.column + v * kColumnGroup,
          _mm512_set1_ps(args.residual_scale));
    }
  }
  for (__m512& value : t) {
    value = _mm512_min_ps(_mm512_set1_ps(255.0F), value);  // NaN stays
  }
  __m512i bytes = to_bytes(t);
  if (args.table) {
    bytes = ByteTable(args.table)({bytes}).v;
  }
  for (int v = 0; v < width; ++v) {
    store_u8(args.out_u8 + row * args.ld_out_u8 + tile.column + v * kColumnGroup, lane(bytes, v),
             columns_of(tile, v));
  }
}

inline constexpr int kTileSums = 24 * kColumnGroup;

// Every epilogue, from sums in memory. Never inlined: one copy serves all tile shapes.
[[gnu::noinline]] inline void finish_in_memory(const OutputTile& tile, int rows, int width,
                                               const std::int32_t* sums) {
  alignas(64) float y[kTileSums];
  for (int v = 0; v < width; ++v) {
    const ColumnTerms columns(tile.args, tile.column + v * kColumnGroup);
    for (int r = 0; r < rows; ++r) {
      const int at = (r * width + v) * kColumnGroup;
      const __m512i sum = _mm512_load_si512(sums + at);
      const __m512 value =
          tile.args.row_floor
              ? scaled<RowTerms::kScaleAndFloor>(tile.args, tile.row + r, columns, sum)
              : scaled<RowTerms::kScale>(tile.args, tile.row + r, columns, sum);
      _mm512_store_ps(y + at, value);
    }
  }
  apply_activation<F32x16>(tile.args.activation, y, rows * width * kColumnGroup);
  for (int r = 0; r < rows; ++r) {
    store_row(tile, tile.row + r, width, y + r * width * kColumnGroup);
  }
}

enum class Epilogue : std::uint8_t {
  kBytes,   // no row terms, no activation, nothing that could leave 32 bits
  kFloats,  // no activation
  kAny,
};

// Whether every result of bytes fits 32 bits before it is rounded, whatever the inputs. False for
// scales and biases that are absurd or not numbers.
inline bool fits_32_bits(const GemmArgs& args) {
  constexpr float kLargestProduct = 255.0F * 128.0F;
  const float products =
      kLargestProduct * static_cast<float>(args.k) * static_cast<float>(tap_count(args));
  const float residual = args.residual_u8 ? 255.0F * __builtin_fabsf(args.residual_scale) : 0.0F;
  const int padded = round_up(args.n, kColumnGroup);
  const int end = args.last_panel * kPanelWidth < padded ? args.last_panel * kPanelWidth : padded;
  __mmask16 beyond = 0;
  for (int column = args.first_panel * kPanelWidth; column < end; column += kColumnGroup) {
    const ColumnTerms columns(args, column);
    const __m512i offset = args.column_offset ? _mm512_loadu_si512(args.column_offset + column)
                                              : _mm512_setzero_si512();
    const __m512 sum =
        _mm512_add_ps(_mm512_abs_ps(_mm512_cvtepi32_ps(offset)), _mm512_set1_ps(products));
    const __m512 addend = _mm512_add_ps(_mm512_abs_ps(columns.bias), _mm512_set1_ps(residual));
    const __m512 largest = _mm512_fmadd_ps(sum, _mm512_abs_ps(columns.scale), addend);
    beyond |= _mm512_cmp_ps_mask(largest, _mm512_set1_ps(0x1p30F), _CMP_NLT_UQ);
  }
  return beyond == 0;
}

inline Epilogue epilogue_of(const GemmArgs& args) {
  if (args.activation != Activation::kNone) {
    return Epilogue::kAny;
  }
  if (args.out_f32) {
    return Epilogue::kFloats;
  }
  const bool bytes = !args.row_scale && !args.row_floor && fits_32_bits(args);
  return bytes ? Epilogue::kBytes : Epilogue::kAny;
}

template <Epilogue kEpilogue, int kRows, int kWidth>
[[gnu::always_inline]] inline void finish(const OutputTile& tile, const Block<kRows, kWidth>& acc) {
  if constexpr (kEpilogue == Epilogue::kAny) {
    alignas(64) std::int32_t sums[kTileSums];
#pragma GCC unroll 24
    for (int i = 0; i < kRows * kWidth; ++i) {
      _mm512_store_si512(sums + i * kColumnGroup, acc[i / kWidth][i % kWidth]);
    }
    finish_in_memory(tile, kRows, kWidth, sums);
  } else if constexpr (kEpilogue == Epilogue::kFloats) {
    FloatBlock<kRows, kWidth> y;
    if (tile.args.row_floor) {
      scale<RowTerms::kScaleAndFloor, kRows, kWidth>(tile, acc, y);
    } else {
      scale<RowTerms::kScale, kRows, kWidth>(tile, acc, y);
    }
    store_f32<kRows, kWidth>(tile, y, tile.args.residual != nullptr, columns_of(tile, kWidth - 1));
  } else {
    FloatBlock<kRows, kWidth> y;
    scale<RowTerms::kNone, kRows, kWidth>(tile, acc, y);
    finish_bytes<kRows, kWidth>(tile, y);
  }
}

}  // namespace
}  // namespace qe::kernels
