// The most exact INT8 multiply-adds a CPU without VNNI can do: vpmaddwd on values already widened
// to 16 bits and vpaddd, on 12 accumulators, registers only. Widening comes on top in a real
// kernel.
#include "kernels/peak.h"

#include <immintrin.h>

namespace qe::kernels::avx2 {
namespace {

constexpr int kAccumulators = 12;

std::int32_t multiply(std::int64_t iterations) noexcept {
  __m256i acc[kAccumulators];
#pragma GCC unroll 12
  for (int i = 0; i < kAccumulators; ++i) {
    acc[i] = _mm256_set1_epi32(i);
  }
  __m256i a = _mm256_set1_epi16(3);
  const __m256i b = _mm256_set1_epi16(-1);
  for (std::int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < kAccumulators; ++i) {
      // Opaque to the compiler, which would otherwise keep one product for all sums.
      asm("" : "+x"(a));
      acc[i] = _mm256_add_epi32(acc[i], _mm256_madd_epi16(a, b));
    }
  }
  __m256i sum = acc[0];
#pragma GCC unroll 12
  for (int i = 1; i < kAccumulators; ++i) {
    sum = _mm256_xor_si256(sum, acc[i]);
  }
  return _mm256_extract_epi32(sum, 0) ^ _mm256_extract_epi32(sum, 5);
}

}  // namespace

const PeakLoop kPeakLoop = {kAccumulators * 16, multiply};

}  // namespace qe::kernels::avx2
