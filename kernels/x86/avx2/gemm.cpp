// u8 x s8 matrix product with AVX2, exact without VNNI: bytes are widened to 16 bits (even and odd
// ones apart, which needs no shuffle) and multiplied with vpmaddwd. Never vpmaddubsw, whose 16-bit
// sums saturate. Tiles of up to 4 rows by 16 columns of s32 sums; the rows of A are widened once
// for all columns of a panel, in pieces that stay in the L1 cache.
#include <immintrin.h>

#include <array>
#include <cstring>

#include "kernels/isa_tables.h"
#include "kernels/x86/apply_activation.h"
#include "kernels/x86/avx2/f32x16.h"
#include "kernels/x86/tap_rows.h"

namespace qe::kernels::avx2 {
namespace {

constexpr int kTileRows = 4;
constexpr int kLanes = 8;
constexpr int kGroupBytes = kColumnGroup * kDepthGroup;  // one depth step of 16 columns
constexpr int kPieceSteps = 256;                         // depth steps widened at a time
constexpr int kStreamAhead = 4096;

// The sums, then the results, of up to 4 rows of one panel.
struct alignas(32) Tile {
  std::int32_t sum[kTileRows][kPanelWidth];
  float y[kTileRows][kPanelWidth];
};

// Rows of A, widened: [depth step][row][even pair, odd pair].
struct alignas(32) WideRows {
  std::int32_t pair[kPieceSteps][kTileRows][2];
};

// Steps [step, step + steps) of a tap, as wide.pair[at] and on.
template <int kRows>
void widen(const TapRows<kRows>& rows, int tap, int step, int steps, WideRows& wide, int at) {
  for (int r = 0; r < kRows; ++r) {
    const std::uint8_t* a = rows.piece(r, tap) + static_cast<std::ptrdiff_t>(step) * kDepthGroup;
    for (int s = 0; s < steps; ++s) {
      std::uint32_t bytes;
      std::memcpy(&bytes, a + s * kDepthGroup, sizeof(bytes));
      wide.pair[at + s][r][0] = static_cast<std::int32_t>(bytes & 0x00ff00ffU);
      wide.pair[at + s][r][1] = static_cast<std::int32_t>(bytes >> 8 & 0x00ff00ffU);
    }
  }
}

// Adds `steps` depth steps to the sums of 16 columns. `stride`: bytes from one step of b to the
// next; rows of `sum` are kPanelWidth apart.
template <int kRows>
void accumulate(const WideRows& wide, const std::int8_t* b, std::ptrdiff_t stride, int steps,
                std::int32_t* sum) {
  __m256i acc[kRows][2];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    acc[r][0] = _mm256_load_si256(reinterpret_cast<const __m256i*>(sum + r * kPanelWidth));
    acc[r][1] = _mm256_load_si256(reinterpret_cast<const __m256i*>(sum + r * kPanelWidth + kLanes));
  }
  for (int s = 0; s < steps; ++s) {
    const __m256i b0 = _mm256_load_si256(reinterpret_cast<const __m256i*>(b));
    const __m256i b1 = _mm256_load_si256(reinterpret_cast<const __m256i*>(b) + 1);
    _mm_prefetch(reinterpret_cast<const char*>(b + kStreamAhead), _MM_HINT_T0);
    const __m256i even0 = _mm256_srai_epi16(_mm256_slli_epi16(b0, 8), 8);
    const __m256i even1 = _mm256_srai_epi16(_mm256_slli_epi16(b1, 8), 8);
    const __m256i odd0 = _mm256_srai_epi16(b0, 8);
    const __m256i odd1 = _mm256_srai_epi16(b1, 8);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      // One product at a time, or the compiler keeps so many alive that sums go to the stack.
      const __m256i even = _mm256_set1_epi32(wide.pair[s][r][0]);
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(even, even0));
      acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(even, even1));
      const __m256i odd = _mm256_set1_epi32(wide.pair[s][r][1]);
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(odd, odd0));
      acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(odd, odd1));
      asm("" : "+x"(acc[r][0]), "+x"(acc[r][1]));
    }
    b += stride;
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(sum + r * kPanelWidth), acc[r][0]);
    _mm256_store_si256(reinterpret_cast<__m256i*>(sum + r * kPanelWidth + kLanes), acc[r][1]);
  }
}

// All sums of `kRows` rows of one panel.
template <int kRows>
void multiply(const GemmArgs& args, int row, int column, int width, Tile& tile) {
  for (int r = 0; r < kRows; ++r) {
    if (args.column_offset) {
      std::memcpy(tile.sum[r], args.column_offset + column, width * sizeof(std::int32_t));
    } else {
      std::memset(tile.sum[r], 0, width * sizeof(std::int32_t));
    }
  }
  WideRows wide;
  const TapRows<kRows> rows(args, row);
  const int taps = tap_count(args);
  const int steps = round_up(args.k, kDepthGroup) / kDepthGroup;
  const std::ptrdiff_t stride = static_cast<std::ptrdiff_t>(width) * kDepthGroup;
  const std::int8_t* b = args.b + static_cast<std::ptrdiff_t>(column) * taps * steps * kDepthGroup;
  int widened = 0;
  const auto flush = [&] {
    for (int group = 0; group * kColumnGroup < width; ++group) {
      accumulate<kRows>(wide, b + group * kGroupBytes, stride, widened,
                        tile.sum[0] + group * kColumnGroup);
    }
    b += widened * stride;
    widened = 0;
  };
  for (int tap = 0; tap < taps; ++tap) {
    for (int step = 0; step < steps;) {
      const int room = kPieceSteps - widened;
      const int piece = steps - step < room ? steps - step : room;
      widen<kRows>(rows, tap, step, piece, wide, widened);
      step += piece;
      widened += piece;
      if (widened == kPieceSteps) {
        flush();
      }
    }
  }
  flush();
}

void scale(const GemmArgs& args, int row, int rows, int column, int width, Tile& tile) {
  for (int r = 0; r < rows; ++r) {
    // A missing row scale is 1 and a missing bias -0, which change no bit.
    const __m256 row_scale = _mm256_set1_ps(args.row_scale ? args.row_scale[row + r] : 1.0F);
    const __m256 row_floor = _mm256_set1_ps(args.row_floor ? args.row_floor[row + r] : 0.0F);
    for (int j = 0; j < width; j += kLanes) {
      const __m256i sum = _mm256_load_si256(reinterpret_cast<const __m256i*>(tile.sum[r] + j));
      const __m256 column_scale = _mm256_loadu_ps(args.column_scale + column + j);
      __m256 bias = args.bias ? _mm256_loadu_ps(args.bias + column + j) : _mm256_set1_ps(-0.0F);
      if (args.row_floor) {
        bias =
            _mm256_fmadd_ps(row_floor, _mm256_loadu_ps(args.column_weight_sum + column + j), bias);
      }
      _mm256_store_ps(tile.y[r] + j, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum),
                                                     _mm256_mul_ps(row_scale, column_scale), bias));
    }
  }
}

void store_f32(const float* y, const float* residual, int count, float* out) {
  int j = 0;
  for (; j + kLanes <= count; j += kLanes) {
    __m256 value = _mm256_load_ps(y + j);
    if (residual) {
      value = _mm256_add_ps(value, _mm256_loadu_ps(residual + j));
    }
    _mm256_storeu_ps(out + j, value);
  }
  for (; j < count; ++j) {
    out[j] = residual ? y[j] + residual[j] : y[j];
  }
}

// Adds a residual of bytes to y.
void add_residual(const std::uint8_t* residual, float residual_scale, int count, float* y) {
  const __m256 scale = _mm256_set1_ps(residual_scale);
  for (int j = 0; j < round_up(count, kColumnGroup); j += kLanes) {
    const __m256i bytes =
        _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(residual + j)));
    _mm256_store_ps(y + j,
                    _mm256_fmadd_ps(_mm256_cvtepi32_ps(bytes), scale, _mm256_load_ps(y + j)));
  }
}

// Bytes in natural column order: the packs interleave the two 128-bit lanes, one permutation of
// dwords puts them back. Only the upper bound needs a clamp: the packs saturate at 0, where the
// conversion has sent NaN as well.
void store_u8(const GemmArgs& args, const float* y, int count, std::uint8_t* out) {
  const __m256 inv_scale = _mm256_set1_ps(args.out_inv_scale);
  const __m256 zero_point = _mm256_set1_ps(args.out_zero_point);
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  constexpr int kBytes = 4 * kLanes;
  for (int j = 0; j < count; j += kBytes) {
    __m256i q[4];
    for (int v = 0; v < 4; ++v) {
      __m256 t = _mm256_load_ps(y + j + v * kLanes);
      if (args.activation != Activation::kNone) {
        t = _mm256_fmadd_ps(t, inv_scale, zero_point);
      }
      q[v] = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(255.0F), t));
    }
    const __m256i bytes = _mm256_permutevar8x32_epi32(
        _mm256_packus_epi16(_mm256_packs_epi32(q[0], q[1]), _mm256_packs_epi32(q[2], q[3])), order);
    if (count - j >= kBytes) {
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + j), bytes);
    } else {
      alignas(32) std::array<std::uint8_t, kBytes> tail;
      _mm256_store_si256(reinterpret_cast<__m256i*>(tail.data()), bytes);
      std::memcpy(out + j, tail.data(), count - j);
    }
  }
  for (int j = 0; args.table && j < count; ++j) {
    out[j] = args.table[out[j]];
  }
}

void finish(const GemmArgs& args, int row, int rows, int column, int width, Tile& tile) {
  scale(args, row, rows, column, width, tile);
  if (args.activation != Activation::kNone) {
    apply_activation<F32x16>(args.activation, tile.y[0], rows * kPanelWidth);
  }
  const int count = args.n - column < width ? args.n - column : width;
  for (int r = 0; r < rows; ++r) {
    const std::ptrdiff_t at = row + r;
    if (args.out_u8) {
      if (args.residual_u8) {
        add_residual(args.residual_u8 + at * args.ld_residual_u8 + column, args.residual_scale,
                     count, tile.y[r]);
      }
      store_u8(args, tile.y[r], count, args.out_u8 + at * args.ld_out_u8 + column);
    } else {
      store_f32(tile.y[r], args.residual ? args.residual + at * args.ld_residual + column : nullptr,
                count, args.out_f32 + at * args.ld_out_f32 + column);
    }
  }
}

using MultiplyFunction = void (*)(const GemmArgs&, int row, int column, int width, Tile&);
constexpr std::array<MultiplyFunction, kTileRows> kMultiply = {multiply<1>, multiply<2>,
                                                               multiply<3>, multiply<4>};

}  // namespace

void gemm(const GemmArgs& args) noexcept {
  Tile tile = {};
  for (int panel = args.first_panel; panel < args.last_panel; ++panel) {
    const int column = panel * kPanelWidth;
    const int left = round_up(args.n, kColumnGroup) - column;
    const int width = left < kPanelWidth ? left : kPanelWidth;
    for (int row = 0; row < args.m; row += kTileRows) {
      const int rows = args.m - row < kTileRows ? args.m - row : kTileRows;
      kMultiply[rows - 1](args, row, column, width, tile);
      finish(args, row, rows, column, width, tile);
    }
  }
}

}  // namespace qe::kernels::avx2
