// Packing of weights with AVX2: blocks of 8 rows by 32 bytes of depth.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/isa_tables.h"
#include "kernels/x86/pack_body.h"

namespace qe::kernels::avx2 {
namespace {

struct Dwords {
  static constexpr int kLanes = 8;
  static constexpr int kBytes = 32;
  __m256i v;

  static Dwords zero() { return {_mm256_setzero_si256()}; }
  // `bytes` bytes of a row, zeros behind them.
  static Dwords load(const std::int8_t* row, int bytes) {
    if (bytes == kBytes) {
      return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(row))};
    }
    alignas(kBytes) std::int8_t padded[kBytes] = {};
    std::memcpy(padded, row, bytes);
    return {_mm256_load_si256(reinterpret_cast<const __m256i*>(padded))};
  }
  void store(std::int8_t* out) const { _mm256_store_si256(reinterpret_cast<__m256i*>(out), v); }
  void store_anywhere(std::int32_t* out) const {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), v);
  }
};

// Every dword of the sums plus the four bytes of that of x.
[[gnu::always_inline]] inline Dwords add_groups(Dwords sums, Dwords x) {
  const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), x.v);  // cannot saturate
  return {_mm256_add_epi32(sums.v, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))};
}

// block[i] dword j <-> block[j] dword i.
[[gnu::always_inline]] inline void transpose(Dwords (&block)[Dwords::kLanes]) {
  __m256i quad[Dwords::kLanes];  // lane l of quad[4 g + j]: dword 4 l + j of rows 4 g to 4 g + 3
#pragma GCC unroll 2
  for (int g = 0; g < Dwords::kLanes; g += 4) {
    const __m256i low01 = _mm256_unpacklo_epi32(block[g].v, block[g + 1].v);
    const __m256i high01 = _mm256_unpackhi_epi32(block[g].v, block[g + 1].v);
    const __m256i low23 = _mm256_unpacklo_epi32(block[g + 2].v, block[g + 3].v);
    const __m256i high23 = _mm256_unpackhi_epi32(block[g + 2].v, block[g + 3].v);
    quad[g] = _mm256_unpacklo_epi64(low01, low23);
    quad[g + 1] = _mm256_unpackhi_epi64(low01, low23);
    quad[g + 2] = _mm256_unpacklo_epi64(high01, high23);
    quad[g + 3] = _mm256_unpackhi_epi64(high01, high23);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    block[j].v = _mm256_permute2x128_si256(quad[j], quad[4 + j], 0x20);
    block[4 + j].v = _mm256_permute2x128_si256(quad[j], quad[4 + j], 0x31);
  }
}

}  // namespace

void pack_weights(const PackWeightsArgs& args) noexcept { pack_weights_body<Dwords>(args); }

}  // namespace qe::kernels::avx2
