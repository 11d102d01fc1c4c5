// Packing of weights with AVX-512: 16 rows of W by 64 bytes of depth become, transposed as dwords,
// 16 depth steps of 16 columns of the packed layout (kernels/kernel_table.h). Reads nothing beyond
// the rows and depth of W.
#include <immintrin.h>

#include "kernels/isa_tables.h"

namespace qe::kernels::avx512_vnni {
namespace {

constexpr int kSide = 16;  // rows and dwords of a block
constexpr int kBlockBytes = kSide * kDepthGroup;

// block[i] dword j <-> block[j] dword i.
[[gnu::always_inline]] inline void transpose(__m512i (&block)[kSide]) {
  __m512i quad[kSide];  // lane l of quad[4 g + j]: dword 4 l + j of rows 4 g to 4 g + 3
#pragma GCC unroll 4
  for (int g = 0; g < kSide; g += 4) {
    const __m512i low01 = _mm512_unpacklo_epi32(block[g], block[g + 1]);
    const __m512i high01 = _mm512_unpackhi_epi32(block[g], block[g + 1]);
    const __m512i low23 = _mm512_unpacklo_epi32(block[g + 2], block[g + 3]);
    const __m512i high23 = _mm512_unpackhi_epi32(block[g + 2], block[g + 3]);
    quad[g] = _mm512_unpacklo_epi64(low01, low23);
    quad[g + 1] = _mm512_unpackhi_epi64(low01, low23);
    quad[g + 2] = _mm512_unpacklo_epi64(high01, high23);
    quad[g + 3] = _mm512_unpackhi_epi64(high01, high23);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i low01 = _mm512_shuffle_i32x4(quad[j], quad[4 + j], 0x44);
    const __m512i high01 = _mm512_shuffle_i32x4(quad[j], quad[4 + j], 0xEE);
    const __m512i low23 = _mm512_shuffle_i32x4(quad[8 + j], quad[12 + j], 0x44);
    const __m512i high23 = _mm512_shuffle_i32x4(quad[8 + j], quad[12 + j], 0xEE);
    block[j] = _mm512_shuffle_i32x4(low01, low23, 0x88);
    block[4 + j] = _mm512_shuffle_i32x4(low01, low23, 0xDD);
    block[8 + j] = _mm512_shuffle_i32x4(high01, high23, 0x88);
    block[12 + j] = _mm512_shuffle_i32x4(high01, high23, 0xDD);
  }
}

// Columns [column, column + 16), of which those below n exist, into a panel: `step_bytes` from one
// depth step to the next. Returns the sums of the columns.
__m512i pack_columns(const PackWeightsArgs& args, int column, std::int8_t* out,
                     std::ptrdiff_t step_bytes) {
  const std::int8_t* w = args.w + column * args.ldw;
  const int columns = args.n - column < kSide ? args.n - column : kSide;
  __m512i sum = _mm512_setzero_si512();
  for (int k = 0; k < args.k; k += kBlockBytes) {
    const int bytes = args.k - k < kBlockBytes ? args.k - k : kBlockBytes;
    const __mmask64 mask = ~__mmask64{0} >> (kBlockBytes - bytes);
    __m512i block[kSide];
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) {
      const __mmask64 present = i < columns ? mask : 0;
      block[i] = _mm512_maskz_loadu_epi8(present, w + (i < columns ? i : 0) * args.ldw + k);
    }
    transpose(block);
    const int steps = (bytes + kDepthGroup - 1) / kDepthGroup;
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) {
      sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(1), block[i]);
      if (i < steps) {
        _mm512_store_si512(out, block[i]);
        out += step_bytes;
      }
    }
  }
  return sum;
}

}  // namespace

void pack_weights(const PackWeightsArgs& args) noexcept {
  const int columns = round_up(args.n, kColumnGroup);
  for (int panel = args.first_panel; panel < args.last_panel; ++panel) {
    const int first = panel * kPanelWidth;
    const int last = first + kPanelWidth < columns ? first + kPanelWidth : columns;
    const std::ptrdiff_t step_bytes = static_cast<std::ptrdiff_t>(last - first) * kDepthGroup;
    std::int8_t* out =
        args.packed + static_cast<std::ptrdiff_t>(first) * round_up(args.k, kDepthGroup);
    for (int column = first; column < last; column += kColumnGroup) {
      const __m512i sum =
          pack_columns(args, column, out + (column - first) * kDepthGroup, step_bytes);
      if (args.column_sum) {
        _mm512_storeu_si512(args.column_sum + column, sum);
      }
    }
  }
}

}  // namespace qe::kernels::avx512_vnni
