// Sixteen floats in two AVX registers: the interface of kernels/x86/avx512_vnni/f32x16.h for AVX2
// with FMA. Included only by files of this folder; everything is in an anonymous namespace so that
// no body is shared with another folder.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace qe::kernels {
namespace {

// How many F32x16 a polynomial is evaluated for in step: what the registers hold.
inline constexpr int kVectorsInStep = 2;

struct I32x16 {
  __m256i lo, hi;

  static I32x16 broadcast(std::int32_t x) { return {_mm256_set1_epi32(x), _mm256_set1_epi32(x)}; }
  static I32x16 load(const std::int32_t* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)),
            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p + 8))};
  }
  static I32x16 from_u8(__m128i bytes) {
    return {_mm256_cvtepu8_epi32(bytes), _mm256_cvtepu8_epi32(_mm_srli_si128(bytes, 8))};
  }
  void store(void* p) const {
    _mm256_storeu_si256(static_cast<__m256i*>(p), lo);
    _mm256_storeu_si256(static_cast<__m256i*>(p) + 1, hi);
  }
};

inline I32x16 operator+(I32x16 a, I32x16 b) {
  return {_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
inline I32x16 operator&(I32x16 a, I32x16 b) {
  return {_mm256_and_si256(a.lo, b.lo), _mm256_and_si256(a.hi, b.hi)};
}
inline I32x16 operator|(I32x16 a, I32x16 b) {
  return {_mm256_or_si256(a.lo, b.lo), _mm256_or_si256(a.hi, b.hi)};
}
inline I32x16 operator^(I32x16 a, I32x16 b) {
  return {_mm256_xor_si256(a.lo, b.lo), _mm256_xor_si256(a.hi, b.hi)};
}
template <int kBits>
inline I32x16 shift_left(I32x16 a) {
  return {_mm256_slli_epi32(a.lo, kBits), _mm256_slli_epi32(a.hi, kBits)};
}

// Sixteen set lanes, then sixteen clear ones: a window of it masks the first lanes.
alignas(64) inline constexpr std::int32_t kLaneMask[32] = {-1, -1, -1, -1, -1, -1, -1, -1,
                                                           -1, -1, -1, -1, -1, -1, -1, -1};

// Lanes [0, count) of a 16-lane access; count is 0 to 16.
inline I32x16 first_lanes(int count) { return I32x16::load(kLaneMask + 16 - count); }

// The first count (less than 16) of 16 bytes, the rest zero.
inline __m128i load_bytes_first(const void* p, int count) {
  alignas(16) unsigned char bytes[16] = {};
  std::memcpy(bytes, p, static_cast<unsigned>(count) % 16U);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}

struct F32x16 {
  __m256 lo, hi;

  static F32x16 broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static F32x16 load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  // Lanes from count on are +0 and their memory is not touched.
  static F32x16 load_first(const float* p, int count) {
    const I32x16 mask = first_lanes(count);
    return {_mm256_maskload_ps(p, mask.lo), _mm256_maskload_ps(p + 8, mask.hi)};
  }
  // Likewise, with the lanes of fill from count on.
  static F32x16 load_first(const float* p, int count, F32x16 fill) {
    const I32x16 mask = first_lanes(count);
    const F32x16 x = load_first(p, count);
    return {_mm256_blendv_ps(fill.lo, x.lo, _mm256_castsi256_ps(mask.lo)),
            _mm256_blendv_ps(fill.hi, x.hi, _mm256_castsi256_ps(mask.hi))};
  }
  static F32x16 from_s8(__m128i bytes) {
    return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
            _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
  }
  static F32x16 from_s32(const std::int32_t* p) {
    const I32x16 x = I32x16::load(p);
    return {_mm256_cvtepi32_ps(x.lo), _mm256_cvtepi32_ps(x.hi)};
  }
  // Sixteen u32, rounded to nearest even: both halves convert exactly, one operation rounds.
  static F32x16 from_u32(const std::uint32_t* p) {
    const auto convert = [](__m256i x) {
      const __m256 high = _mm256_cvtepi32_ps(_mm256_srli_epi32(x, 16));
      const __m256 low = _mm256_cvtepi32_ps(_mm256_and_si256(x, _mm256_set1_epi32(0xffff)));
      return _mm256_fmadd_ps(high, _mm256_set1_ps(65536.0F), low);
    };
    const auto* x = reinterpret_cast<const __m256i*>(p);
    return {convert(_mm256_loadu_si256(x)), convert(_mm256_loadu_si256(x + 1))};
  }
  void store(float* p) const {
    _mm256_storeu_ps(p, lo);
    _mm256_storeu_ps(p + 8, hi);
  }
  void store_first(float* p, int count) const {
    const I32x16 mask = first_lanes(count);
    _mm256_maskstore_ps(p, mask.lo, lo);
    _mm256_maskstore_ps(p + 8, mask.hi, hi);
  }
};

inline F32x16 operator+(F32x16 a, F32x16 b) {
  return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
inline F32x16 operator-(F32x16 a, F32x16 b) {
  return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
inline F32x16 operator*(F32x16 a, F32x16 b) {
  return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
inline F32x16 operator/(F32x16 a, F32x16 b) {
  return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
inline F32x16 fma(F32x16 a, F32x16 b, F32x16 c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
// The second operand where either is NaN.
inline F32x16 maximum(F32x16 a, F32x16 b) {
  return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
inline F32x16 minimum(F32x16 a, F32x16 b) {
  return {_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
inline F32x16 square_root(F32x16 a) { return {_mm256_sqrt_ps(a.lo), _mm256_sqrt_ps(a.hi)}; }
inline F32x16 absolute(F32x16 a) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
inline F32x16 copy_sign(F32x16 magnitude, F32x16 sign) {
  const __m256 bit = _mm256_set1_ps(-0.0F);
  const F32x16 bare = absolute(magnitude);
  return {_mm256_or_ps(bare.lo, _mm256_and_ps(bit, sign.lo)),
          _mm256_or_ps(bare.hi, _mm256_and_ps(bit, sign.hi))};
}
// a > b ? x : y
inline F32x16 select_greater(F32x16 a, F32x16 b, F32x16 x, F32x16 y) {
  return {_mm256_blendv_ps(y.lo, x.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_GT_OQ)),
          _mm256_blendv_ps(y.hi, x.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_GT_OQ))};
}
// The bits of a plus the bits of n shifted left by 23: a * 2^n for n held as n + 1.5 * 2^23.
inline __m256 add_exponent(__m256 a, __m256 n) {
  return _mm256_castsi256_ps(
      _mm256_add_epi32(_mm256_castps_si256(a), _mm256_slli_epi32(_mm256_castps_si256(n), 23)));
}
inline F32x16 add_exponent(F32x16 a, F32x16 n) {
  return {add_exponent(a.lo, n.lo), add_exponent(a.hi, n.hi)};
}

// Lanes from count on become zero.
inline F32x16 keep_first(F32x16 a, int count) {
  const I32x16 mask = first_lanes(count);
  return {_mm256_and_ps(_mm256_castsi256_ps(mask.lo), a.lo),
          _mm256_and_ps(_mm256_castsi256_ps(mask.hi), a.hi)};
}
// Lanes from count on become those of fill.
inline F32x16 keep_first(F32x16 a, int count, F32x16 fill) {
  const I32x16 mask = first_lanes(count);
  return {_mm256_blendv_ps(fill.lo, a.lo, _mm256_castsi256_ps(mask.lo)),
          _mm256_blendv_ps(fill.hi, a.hi, _mm256_castsi256_ps(mask.hi))};
}
inline I32x16 keep_first(I32x16 a, int count) { return first_lanes(count) & a; }

// Half to even; NaN and values outside s32 give INT32_MIN.
inline I32x16 round_to_i32(F32x16 a) {
  return {_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}
inline I32x16 clamp_to_u8(F32x16 a) {
  return round_to_i32(minimum(maximum(a, F32x16::broadcast(0.0F)), F32x16::broadcast(255.0F)));
}
// The low byte of each lane (INT32_MIN gives 0).
inline __m128i low_bytes(I32x16 a) {
  const __m256i take =
      _mm256_setr_epi8(0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
                       0, 4, 8, 12, -1, -1, -1, -1, -1, -1, -1, -1);
  const __m256i lo = _mm256_shuffle_epi8(a.lo, take);
  const __m256i hi = _mm256_shuffle_epi8(a.hi, take);
  const __m128i first = _mm_or_si128(_mm256_castsi256_si128(lo), _mm256_extracti128_si256(lo, 1));
  const __m128i second = _mm_or_si128(_mm256_castsi256_si128(hi), _mm256_extracti128_si256(hi, 1));
  return _mm_unpacklo_epi64(first, second);
}
inline void store_bytes(I32x16 a, void* p) {
  _mm_storeu_si128(static_cast<__m128i*>(p), low_bytes(a));
}
// The first count (less than 16) bytes; the remainder shows the compiler that bound.
inline void store_bytes_first(I32x16 a, void* p, int count) {
  alignas(16) unsigned char bytes[16];
  _mm_store_si128(reinterpret_cast<__m128i*>(bytes), low_bytes(a));
  std::memcpy(p, bytes, static_cast<unsigned>(count) % 16U);
}

// Lane j plus lane j + 8, then + 4, + 2, + 1: the pairwise fold of docs/numerics.md.
inline float fold_sum(F32x16 a) {
  const __m256 p8 = _mm256_add_ps(a.lo, a.hi);
  const __m128 p4 = _mm_add_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_add_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_add_ss(p2, _mm_movehdup_ps(p2)));
}
// The least and the largest of lanes that are not NaN.
inline float fold_minimum(F32x16 a) {
  const __m256 p8 = _mm256_min_ps(a.lo, a.hi);
  const __m128 p4 = _mm_min_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_min_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_min_ss(p2, _mm_movehdup_ps(p2)));
}
inline float fold_maximum(F32x16 a) {
  const __m256 p8 = _mm256_max_ps(a.lo, a.hi);
  const __m128 p4 = _mm_max_ps(_mm256_castps256_ps128(p8), _mm256_extractf128_ps(p8, 1));
  const __m128 p2 = _mm_max_ps(p4, _mm_movehl_ps(p4, p4));
  return _mm_cvtss_f32(_mm_max_ss(p2, _mm_movehdup_ps(p2)));
}

}  // namespace
}  // namespace qe::kernels
