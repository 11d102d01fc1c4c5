// Packing of weights with AVX-512: blocks of 16 rows by 64 bytes of depth.
#include <immintrin.h>

#include <cstdint>

#include "kernels/isa_tables.h"
#include "kernels/x86/pack_body.h"

namespace qe::kernels::avx512_vnni {
namespace {

struct Dwords {
  static constexpr int kLanes = 16;
  static constexpr int kBytes = 64;
  __m512i v;

  static Dwords zero() { return {_mm512_setzero_si512()}; }
  // `bytes` bytes of a row, zeros behind them.
  static Dwords load(const std::int8_t* row, int bytes) {
    return {_mm512_maskz_loadu_epi8(~__mmask64{0} >> (kBytes - bytes), row)};
  }
  void store(std::int8_t* out) const { _mm512_store_si512(out, v); }
  void store_anywhere(std::int32_t* out) const { _mm512_storeu_si512(out, v); }
};

// Every dword of the sums plus the four bytes of that of x.
[[gnu::always_inline]] inline Dwords add_groups(Dwords sums, Dwords x) {
  return {_mm512_dpbusd_epi32(sums.v, _mm512_set1_epi8(1), x.v)};
}

// block[i] dword j <-> block[j] dword i.
[[gnu::always_inline]] inline void transpose(Dwords (&block)[Dwords::kLanes]) {
  __m512i quad[Dwords::kLanes];  // lane l of quad[4 g + j]: dword 4 l + j of rows 4 g to 4 g + 3
#pragma GCC unroll 4
  for (int g = 0; g < Dwords::kLanes; g += 4) {
    const __m512i low01 = _mm512_unpacklo_epi32(block[g].v, block[g + 1].v);
    const __m512i high01 = _mm512_unpackhi_epi32(block[g].v, block[g + 1].v);
    const __m512i low23 = _mm512_unpacklo_epi32(block[g + 2].v, block[g + 3].v);
    const __m512i high23 = _mm512_unpackhi_epi32(block[g + 2].v, block[g + 3].v);
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
    block[j].v = _mm512_shuffle_i32x4(low01, low23, 0x88);
    block[4 + j].v = _mm512_shuffle_i32x4(low01, low23, 0xDD);
    block[8 + j].v = _mm512_shuffle_i32x4(high01, high23, 0x88);
    block[12 + j].v = _mm512_shuffle_i32x4(high01, high23, 0xDD);
  }
}

}  // namespace

void pack_weights(const PackWeightsArgs& args) noexcept { pack_weights_body<Dwords>(args); }

}  // namespace qe::kernels::avx512_vnni
