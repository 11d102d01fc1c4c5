// Sixteen floats in one AVX-512 register, with the few operations the row kernels and epilogues are
// written in. kernels/x86/avx2/f32x16.h has the same interface. Included only by files of this
// folder; everything is in an anonymous namespace so that no body is shared with another folder.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace qe::kernels {
namespace {

// How many F32x16 a polynomial is evaluated for in step: what the registers hold.
inline constexpr int kVectorsInStep = 8;

struct I32x16 {
  __m512i v;

  static I32x16 broadcast(std::int32_t x) { return {_mm512_set1_epi32(x)}; }
  static I32x16 from_u8(__m128i bytes) { return {_mm512_cvtepu8_epi32(bytes)}; }
  void store(void* p) const { _mm512_storeu_si512(p, v); }
};

inline I32x16 operator+(I32x16 a, I32x16 b) { return {_mm512_add_epi32(a.v, b.v)}; }
inline I32x16 operator&(I32x16 a, I32x16 b) { return {_mm512_and_si512(a.v, b.v)}; }
inline I32x16 operator|(I32x16 a, I32x16 b) { return {_mm512_or_si512(a.v, b.v)}; }
inline I32x16 operator^(I32x16 a, I32x16 b) { return {_mm512_xor_si512(a.v, b.v)}; }
template <int kBits>
inline I32x16 shift_left(I32x16 a) {
  return {_mm512_slli_epi32(a.v, kBits)};
}

// Lanes [0, count) of a 16-lane access; count is 0 to 16.
inline __mmask16 first_lanes(int count) { return static_cast<__mmask16>((1U << count) - 1U); }

// The first count of 16 bytes, the rest zero.
inline __m128i load_bytes_first(const void* p, int count) {
  return _mm_maskz_loadu_epi8(first_lanes(count), p);
}

struct F32x16 {
  __m512 v;

  static F32x16 broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static F32x16 load(const float* p) { return {_mm512_loadu_ps(p)}; }
  // Lanes from count on are +0 and their memory is not touched.
  static F32x16 load_first(const float* p, int count) {
    return {_mm512_maskz_loadu_ps(first_lanes(count), p)};
  }
  // Likewise, with the lanes of fill from count on.
  static F32x16 load_first(const float* p, int count, F32x16 fill) {
    return {_mm512_mask_loadu_ps(fill.v, first_lanes(count), p)};
  }
  static F32x16 from_s8(__m128i bytes) { return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))}; }
  static F32x16 from_s32(const std::int32_t* p) {
    return {_mm512_cvtepi32_ps(_mm512_loadu_si512(p))};
  }
  // Sixteen u32, rounded to nearest even.
  static F32x16 from_u32(const std::uint32_t* p) {
    return {_mm512_cvtepu32_ps(_mm512_loadu_si512(p))};
  }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_first(float* p, int count) const { _mm512_mask_storeu_ps(p, first_lanes(count), v); }
};

inline F32x16 operator+(F32x16 a, F32x16 b) { return {_mm512_add_ps(a.v, b.v)}; }
inline F32x16 operator-(F32x16 a, F32x16 b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline F32x16 operator*(F32x16 a, F32x16 b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline F32x16 operator/(F32x16 a, F32x16 b) { return {_mm512_div_ps(a.v, b.v)}; }
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
// The second operand where either is NaN.
inline F32x16 maximum(F32x16 a, F32x16 b) { return {_mm512_max_ps(a.v, b.v)}; }
inline F32x16 minimum(F32x16 a, F32x16 b) { return {_mm512_min_ps(a.v, b.v)}; }
inline F32x16 square_root(F32x16 a) { return {_mm512_sqrt_ps(a.v)}; }
inline F32x16 absolute(F32x16 a) { return {_mm512_abs_ps(a.v)}; }
inline F32x16 copy_sign(F32x16 magnitude, F32x16 sign) {
  return {_mm512_or_ps(_mm512_abs_ps(magnitude.v), _mm512_and_ps(_mm512_set1_ps(-0.0F), sign.v))};
}
// a > b ? x : y
inline F32x16 select_greater(F32x16 a, F32x16 b, F32x16 x, F32x16 y) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_GT_OQ), y.v, x.v)};
}
// The bits of a plus the bits of n shifted left by 23: a * 2^n for n held as n + 1.5 * 2^23.
inline F32x16 add_exponent(F32x16 a, F32x16 n) {
  return {_mm512_castsi512_ps(
      _mm512_add_epi32(_mm512_castps_si512(a.v), _mm512_slli_epi32(_mm512_castps_si512(n.v), 23)))};
}

// Lanes from count on become zero.
inline F32x16 keep_first(F32x16 a, int count) {
  return {_mm512_maskz_mov_ps(first_lanes(count), a.v)};
}
// Lanes from count on become those of fill.
inline F32x16 keep_first(F32x16 a, int count, F32x16 fill) {
  return {_mm512_mask_mov_ps(fill.v, first_lanes(count), a.v)};
}
inline I32x16 keep_first(I32x16 a, int count) {
  return {_mm512_maskz_mov_epi32(first_lanes(count), a.v)};
}

// Half to even; NaN and values outside s32 give INT32_MIN.
inline I32x16 round_to_i32(F32x16 a) { return {_mm512_cvtps_epi32(a.v)}; }
inline I32x16 clamp_to_u8(F32x16 a) {
  return round_to_i32(minimum(maximum(a, F32x16::broadcast(0.0F)), F32x16::broadcast(255.0F)));
}
// The low byte of each lane (INT32_MIN gives 0).
inline __m128i low_bytes(I32x16 a) { return _mm512_cvtepi32_epi8(a.v); }
inline void store_bytes(I32x16 a, void* p) {
  _mm_storeu_si128(static_cast<__m128i*>(p), low_bytes(a));
}
inline void store_bytes_first(I32x16 a, void* p, int count) {
  _mm_mask_storeu_epi8(p, first_lanes(count), low_bytes(a));
}

// Lane j plus lane j + 8, then + 4, + 2, + 1: the pairwise fold of docs/numerics.md.
inline float fold_sum(F32x16 a) {
  const __m256 p8 = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 p4 = _mm_add_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_add_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_add_ss(p2, _mm_movehdup_ps(p2)));
}
// The least and the largest of lanes that are not NaN.
inline float fold_minimum(F32x16 a) {
  const __m256 p8 = _mm256_min_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 p4 = _mm_min_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_min_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_min_ss(p2, _mm_movehdup_ps(p2)));
}
inline float fold_maximum(F32x16 a) {
  const __m256 p8 = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 p4 = _mm_max_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_max_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_max_ss(p2, _mm_movehdup_ps(p2)));
}

}  // namespace
}  // namespace qe::kernels
