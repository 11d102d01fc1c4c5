// Packing of weights with AVX2: 8 rows of W by 32 bytes of depth become, transposed as dwords, 8
// depth steps of 8 columns of the packed layout (kernels/kernel_table.h). Reads nothing beyond the
// rows and depth of W.
#include <immintrin.h>

#include <cstring>

#include "kernels/isa_tables.h"

namespace qe::kernels::avx2 {
namespace {

constexpr int kSide = 8;  // rows and dwords of a block
constexpr int kBlockBytes = kSide * kDepthGroup;

// block[i] dword j <-> block[j] dword i.
[[gnu::always_inline]] inline void transpose(__m256i (&block)[kSide]) {
  __m256i quad[kSide];  // lane l of quad[4 g + j]: dword 4 l + j of rows 4 g to 4 g + 3
#pragma GCC unroll 2
  for (int g = 0; g < kSide; g += 4) {
    const __m256i low01 = _mm256_unpacklo_epi32(block[g], block[g + 1]);
    const __m256i high01 = _mm256_unpackhi_epi32(block[g], block[g + 1]);
    const __m256i low23 = _mm256_unpacklo_epi32(block[g + 2], block[g + 3]);
    const __m256i high23 = _mm256_unpackhi_epi32(block[g + 2], block[g + 3]);
    quad[g] = _mm256_unpacklo_epi64(low01, low23);
    quad[g + 1] = _mm256_unpackhi_epi64(low01, low23);
    quad[g + 2] = _mm256_unpacklo_epi64(high01, high23);
    quad[g + 3] = _mm256_unpackhi_epi64(high01, high23);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    block[j] = _mm256_permute2x128_si256(quad[j], quad[4 + j], 0x20);
    block[4 + j] = _mm256_permute2x128_si256(quad[j], quad[4 + j], 0x31);
  }
}

// `bytes` bytes of a row, zeros behind them.
__m256i load_row(const std::int8_t* row, int bytes) {
  if (bytes == kBlockBytes) {
    return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(row));
  }
  alignas(32) std::int8_t padded[kBlockBytes] = {};
  std::memcpy(padded, row, bytes);
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(padded));
}

// The sums of the four bytes of every dword.
__m256i sum_groups(__m256i bytes) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes);  // cannot saturate
  return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

// Columns [column, column + 8), of which those below n exist, into a panel: `step_bytes` from one
// depth step to the next. Returns the sums of the columns.
__m256i pack_columns(const PackWeightsArgs& args, int column, std::int8_t* out,
                     std::ptrdiff_t step_bytes) {
  const std::int8_t* w = args.w + column * args.ldw;
  const int columns = args.n - column < kSide ? args.n - column : kSide;
  __m256i sum = _mm256_setzero_si256();
  for (int k = 0; k < args.k; k += kBlockBytes) {
    const int bytes = args.k - k < kBlockBytes ? args.k - k : kBlockBytes;
    __m256i block[kSide];
#pragma GCC unroll 8
    for (int i = 0; i < kSide; ++i) {
      block[i] = i < columns ? load_row(w + i * args.ldw + k, bytes) : _mm256_setzero_si256();
    }
    transpose(block);
    const int steps = (bytes + kDepthGroup - 1) / kDepthGroup;
#pragma GCC unroll 8
    for (int i = 0; i < kSide; ++i) {
      sum = _mm256_add_epi32(sum, sum_groups(block[i]));
      if (i < steps) {
        _mm256_store_si256(reinterpret_cast<__m256i*>(out), block[i]);
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
    for (int column = first; column < last; column += kSide) {
      const __m256i sum =
          pack_columns(args, column, out + (column - first) * kDepthGroup, step_bytes);
      if (args.column_sum) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(args.column_sum + column), sum);
      }
    }
  }
}

}  // namespace qe::kernels::avx2
