// The most INT8 multiply-adds this CPU can do: vpdpbusd on 24 accumulators, registers only.
#include "kernels/peak.h"

#include <immintrin.h>

namespace qe::kernels::avx512_vnni {
namespace {

constexpr int kAccumulators = 24;

std::int32_t multiply(std::int64_t iterations) noexcept {
  __m512i acc[kAccumulators];
#pragma GCC unroll 24
  for (int i = 0; i < kAccumulators; ++i) {
    acc[i] = _mm512_set1_epi32(i);
  }
  const __m512i a = _mm512_set1_epi8(3);
  const __m512i b = _mm512_set1_epi8(-1);
  for (std::int64_t n = 0; n < iterations; ++n) {
#pragma GCC unroll 24
    for (int i = 0; i < kAccumulators; ++i) {
      acc[i] = _mm512_dpbusd_epi32(acc[i], a, b);
    }
  }
  __m512i sum = acc[0];
#pragma GCC unroll 24
  for (int i = 1; i < kAccumulators; ++i) {
    sum = _mm512_xor_si512(sum, acc[i]);
  }
  return _mm512_reduce_add_epi32(sum);
}

}  // namespace

const PeakLoop kPeakLoop = {kAccumulators * 64, multiply};

}  // namespace qe::kernels::avx512_vnni
