// A 64-byte AVX-512 register of u8, and one of the 32-bit sums that interleaved bytes are
// multiplied into: what the spatial kernels are written in. kernels/x86/avx2/bytes.h has the same
// interface. Included only by files of this folder, after f32x16.h; everything is in an anonymous
// namespace so that no body is shared with another folder.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/x86/avx512_vnni/f32x16.h"

namespace qe::kernels {
namespace {

inline constexpr int kVectorLanes = 4;  // 128-bit lanes, 16 bytes each
inline constexpr int kVectorBytes = 64;
// Whether the registers hold three interleaved columns and their weights.
inline constexpr bool kManyRegisters = true;
// Accumulators of a depthwise tile, in outputs of four `Sums` each: 24 registers of 32.
inline constexpr int kTileOutputs = 6;

struct Bytes {
  __m512i v;

  static Bytes broadcast(std::uint8_t x) { return {_mm512_set1_epi8(static_cast<char>(x))}; }
  static Bytes load(const void* p) { return {_mm512_loadu_si512(p)}; }
  void store(void* p) const { _mm512_storeu_si512(p, v); }
  // kLanes lanes from each of pixel(0), pixel(1), ...
  template <int kLanes, class Pixel>
  static Bytes gather(Pixel pixel) {
    if constexpr (kLanes == 4) {
      return load(pixel(0));
    } else if constexpr (kLanes == 2) {
      return {_mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256(as_256(pixel(0)))),
                                 _mm256_loadu_si256(as_256(pixel(1))), 1)};
    } else {
      const __m512i first = _mm512_castsi128_si512(_mm_loadu_si128(as_128(pixel(0))));
      const __m512i second = _mm512_inserti32x4(first, _mm_loadu_si128(as_128(pixel(1))), 1);
      const __m512i third = _mm512_inserti32x4(second, _mm_loadu_si128(as_128(pixel(2))), 2);
      return {_mm512_inserti32x4(third, _mm_loadu_si128(as_128(pixel(3))), 3)};
    }
  }
  // The other way.
  template <int kLanes, class Pixel>
  void scatter(Pixel pixel) const {
    if constexpr (kLanes == 4) {
      store(pixel(0));
    } else if constexpr (kLanes == 2) {
      _mm256_storeu_si256(as_256(pixel(0)), _mm512_castsi512_si256(v));
      _mm256_storeu_si256(as_256(pixel(1)), _mm512_extracti64x4_epi64(v, 1));
    } else {
      _mm_storeu_si128(as_128(pixel(0)), _mm512_castsi512_si128(v));
      _mm_storeu_si128(as_128(pixel(1)), _mm512_extracti32x4_epi32(v, 1));
      _mm_storeu_si128(as_128(pixel(2)), _mm512_extracti32x4_epi32(v, 2));
      _mm_storeu_si128(as_128(pixel(3)), _mm512_extracti32x4_epi32(v, 3));
    }
  }

 private:
  static __m256i* as_256(void* p) { return static_cast<__m256i*>(p); }
  static __m128i* as_128(void* p) { return static_cast<__m128i*>(p); }
  static const __m256i* as_256(const void* p) { return static_cast<const __m256i*>(p); }
  static const __m128i* as_128(const void* p) { return static_cast<const __m128i*>(p); }
};

inline Bytes maximum(Bytes a, Bytes b) { return {_mm512_max_epu8(a.v, b.v)}; }
// Of each 128-bit lane the low or high halves, element by element in turn.
inline Bytes interleave_low_bytes(Bytes a, Bytes b) { return {_mm512_unpacklo_epi8(a.v, b.v)}; }
inline Bytes interleave_high_bytes(Bytes a, Bytes b) { return {_mm512_unpackhi_epi8(a.v, b.v)}; }
inline Bytes interleave_low_pairs(Bytes a, Bytes b) { return {_mm512_unpacklo_epi16(a.v, b.v)}; }
inline Bytes interleave_high_pairs(Bytes a, Bytes b) { return {_mm512_unpackhi_epi16(a.v, b.v)}; }

struct Sums {
  __m512i v;

  static Sums broadcast(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
  static Sums load(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
};

inline Sums operator-(Sums a, Sums b) { return {_mm512_sub_epi32(a.v, b.v)}; }

// Plus the dot product of four u8 of x and four s8 of w in each lane.
inline Sums add_dot(Sums sums, Bytes x, Bytes w) { return {_mm512_dpbusd_epi32(sums.v, x.v, w.v)}; }

// round(fma(float(sum), scale, bias)), which must lie below 2^31; NaN and what lies far below zero
// become INT32_MIN. The arrays have as many elements as a register.
inline Sums requantize(Sums sums, const float* scale, const float* bias) {
  const __m512 t =
      _mm512_fmadd_ps(_mm512_cvtepi32_ps(sums.v), _mm512_loadu_ps(scale), _mm512_loadu_ps(bias));
  return {_mm512_cvtps_epi32(t)};
}

// The same of fma(float(a), a_scale, fma(float(b), b_scale, bias)).
inline Sums requantize_sum(Sums a, const float* a_scale, Sums b, const float* b_scale,
                           const float* bias) {
  const __m512 inner =
      _mm512_fmadd_ps(_mm512_cvtepi32_ps(b.v), _mm512_loadu_ps(b_scale), _mm512_loadu_ps(bias));
  return {_mm512_cvtps_epi32(
      _mm512_fmadd_ps(_mm512_cvtepi32_ps(a.v), _mm512_loadu_ps(a_scale), inner))};
}

// The bytes of four requantized vectors, undoing the order that the interleaving of four rows made:
// in each 128-bit lane, the lane's dwords of a, then b, c and d. Saturates at 0.
inline Bytes join_bytes(const Sums& a, const Sums& b, const Sums& c, const Sums& d) {
  return {_mm512_packus_epi16(_mm512_packs_epi32(a.v, b.v), _mm512_packs_epi32(c.v, d.v))};
}

// A function of a byte by its 256 values. They lie in four registers as 128 words; each byte looks
// up the word that holds its value, even and odd bytes apart, then takes its half.
class ByteTable {
 public:
  explicit ByteTable(const std::uint8_t* table) {
    for (int i = 0; i < 4; ++i) {
      part_[i] = _mm512_loadu_si512(table + i * kVectorBytes);
    }
  }
  Bytes operator()(Bytes x) const {
    const __m512i even =
        words(_mm512_srli_epi16(x.v, 1), _mm512_test_epi16_mask(x.v, _mm512_set1_epi16(0x80)));
    const __m512i odd = words(_mm512_srli_epi16(x.v, 9), _mm512_movepi16_mask(x.v));
    // Values that lie in their own half of the word already, and those that must change sides.
    const __m512i low = _mm512_set1_epi16(0xff);
    const __m512i in_place = _mm512_ternarylogic_epi32(low, even, odd, kSelect);
    const __m512i crossed = _mm512_ternarylogic_epi32(low, odd, even, kSelect);
    const __mmask64 crosses =
        _mm512_test_epi8_mask(_mm512_xor_si512(x.v, _mm512_set1_epi16(0x100)), _mm512_set1_epi8(1));
    const __m512i swap = _mm512_set_epi64(
        0x0e0f0c0d0a0b0809, 0x0607040502030001, 0x0e0f0c0d0a0b0809, 0x0607040502030001,
        0x0e0f0c0d0a0b0809, 0x0607040502030001, 0x0e0f0c0d0a0b0809, 0x0607040502030001);
    return {_mm512_mask_shuffle_epi8(in_place, crosses, crossed, swap)};
  }

 private:
  static constexpr int kSelect = 0xCA;  // a ? b : c, bit by bit

  // The words that the low six bits of each index name, of the upper 64 where `upper` is set.
  __m512i words(__m512i index, __mmask32 upper) const {
    return _mm512_mask_mov_epi16(_mm512_permutex2var_epi16(part_[0], index, part_[1]), upper,
                                 _mm512_permutex2var_epi16(part_[2], index, part_[3]));
  }

  __m512i part_[4];
};

}  // namespace
}  // namespace qe::kernels
