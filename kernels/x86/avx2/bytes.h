// A 32-byte AVX2 register of u8, and one of the 32-bit sums that interleaved bytes are multiplied
// into: the interface of kernels/x86/avx512_vnni/bytes.h for AVX2. Included only by files of this
// folder, after f32x16.h; everything is in an anonymous namespace so that no body is shared with
// another folder.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "kernels/x86/avx2/f32x16.h"

namespace qe::kernels {
namespace {

inline constexpr int kVectorLanes = 2;  // 128-bit lanes, 16 bytes each
inline constexpr int kVectorBytes = 32;
// Whether the registers hold three interleaved columns and their weights.
inline constexpr bool kManyRegisters = false;
// Accumulators of a depthwise tile, in outputs of four `Sums` each: 8 registers of 16.
inline constexpr int kTileOutputs = 2;

struct Bytes {
  __m256i v;

  static Bytes broadcast(std::uint8_t x) { return {_mm256_set1_epi8(static_cast<char>(x))}; }
  static Bytes load(const void* p) { return {_mm256_loadu_si256(static_cast<const __m256i*>(p))}; }
  void store(void* p) const { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }
  // kLanes lanes from each of pixel(0), pixel(1), ...
  template <int kLanes, class Pixel>
  static Bytes gather(Pixel pixel) {
    if constexpr (kLanes == 2) {
      return load(pixel(0));
    } else {
      return {_mm256_loadu2_m128i(as_128(pixel(1)), as_128(pixel(0)))};
    }
  }
  // The other way.
  template <int kLanes, class Pixel>
  void scatter(Pixel pixel) const {
    if constexpr (kLanes == 2) {
      store(pixel(0));
    } else {
      _mm256_storeu2_m128i(as_128(pixel(1)), as_128(pixel(0)), v);
    }
  }

 private:
  static __m128i* as_128(void* p) { return static_cast<__m128i*>(p); }
  static const __m128i* as_128(const void* p) { return static_cast<const __m128i*>(p); }
};

inline Bytes maximum(Bytes a, Bytes b) { return {_mm256_max_epu8(a.v, b.v)}; }
// Of each 128-bit lane the low or high halves, element by element in turn.
inline Bytes interleave_low_bytes(Bytes a, Bytes b) { return {_mm256_unpacklo_epi8(a.v, b.v)}; }
inline Bytes interleave_high_bytes(Bytes a, Bytes b) { return {_mm256_unpackhi_epi8(a.v, b.v)}; }
inline Bytes interleave_low_pairs(Bytes a, Bytes b) { return {_mm256_unpacklo_epi16(a.v, b.v)}; }
inline Bytes interleave_high_pairs(Bytes a, Bytes b) { return {_mm256_unpackhi_epi16(a.v, b.v)}; }

struct Sums {
  __m256i v;

  static Sums broadcast(std::int32_t x) { return {_mm256_set1_epi32(x)}; }
  static Sums load(const std::int32_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
};

inline Sums operator-(Sums a, Sums b) { return {_mm256_sub_epi32(a.v, b.v)}; }

// Plus the dot product of four u8 of x and four s8 of w in each lane: bytes widened to 16 bits,
// even and odd ones apart. Never vpmaddubsw, whose 16-bit sums saturate.
inline Sums add_dot(Sums sums, Bytes x, Bytes w) {
  const __m256i even = _mm256_madd_epi16(_mm256_and_si256(x.v, _mm256_set1_epi16(0xff)),
                                         _mm256_srai_epi16(_mm256_slli_epi16(w.v, 8), 8));
  const __m256i odd = _mm256_madd_epi16(_mm256_srli_epi16(x.v, 8), _mm256_srai_epi16(w.v, 8));
  return {_mm256_add_epi32(_mm256_add_epi32(sums.v, even), odd)};
}

// round(fma(float(sum), scale, bias)), which must lie below 2^31; NaN and what lies far below zero
// become INT32_MIN. The arrays have as many elements as a register.
inline Sums requantize(Sums sums, const float* scale, const float* bias) {
  const __m256 t =
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(sums.v), _mm256_loadu_ps(scale), _mm256_loadu_ps(bias));
  return {_mm256_cvtps_epi32(t)};
}

// The same of fma(float(a), a_scale, fma(float(b), b_scale, bias)).
inline Sums requantize_sum(Sums a, const float* a_scale, Sums b, const float* b_scale,
                           const float* bias) {
  const __m256 inner =
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(b.v), _mm256_loadu_ps(b_scale), _mm256_loadu_ps(bias));
  return {_mm256_cvtps_epi32(
      _mm256_fmadd_ps(_mm256_cvtepi32_ps(a.v), _mm256_loadu_ps(a_scale), inner))};
}

// The bytes of four requantized vectors, undoing the order that the interleaving of four rows made:
// in each 128-bit lane, the lane's dwords of a, then b, c and d. Saturates at 0.
inline Bytes join_bytes(const Sums& a, const Sums& b, const Sums& c, const Sums& d) {
  return {_mm256_packus_epi16(_mm256_packs_epi32(a.v, b.v), _mm256_packs_epi32(c.v, d.v))};
}

// A function of a byte by its 256 values: sixteen shuffles of sixteen values each. Part i holds
// what its values differ (exclusive or) from those of part i - 1; a byte takes part in every
// shuffle up to its own, for below zero, where later ones see it, a shuffle gives zero. The halves
// of the table meet in the sign.
class ByteTable {
 public:
  explicit ByteTable(const std::uint8_t* table) {
    const auto part = [table](int i) {
      return _mm_loadu_si128(reinterpret_cast<const __m128i*>(table) + i);
    };
    for (int i = 0; i < 16; ++i) {
      const __m128i before = i % 8 == 0 ? _mm_setzero_si128() : part(i - 1);
      part_[i] = _mm256_broadcastsi128_si256(_mm_xor_si128(part(i), before));
    }
  }
  Bytes operator()(Bytes x) const {
    const __m256i step = _mm256_set1_epi8(16);
    __m256i lower = x.v;
    __m256i upper = _mm256_xor_si256(x.v, _mm256_set1_epi8(static_cast<char>(0x80)));
    __m256i value = _mm256_xor_si256(_mm256_shuffle_epi8(part_[0], lower),
                                     _mm256_shuffle_epi8(part_[8], upper));
#pragma GCC unroll 8
    for (int i = 1; i < 8; ++i) {
      lower = _mm256_subs_epi8(lower, step);
      upper = _mm256_subs_epi8(upper, step);
      value = _mm256_xor_si256(value, _mm256_xor_si256(_mm256_shuffle_epi8(part_[i], lower),
                                                       _mm256_shuffle_epi8(part_[8 + i], upper)));
    }
    return {value};
  }

 private:
  __m256i part_[16];
};

}  // namespace
}  // namespace qe::kernels
