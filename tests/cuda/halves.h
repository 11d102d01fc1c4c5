// Halves (binary16) by their bits.
#pragma once

#include <cmath>
#include <cstdint>

namespace qe::test {

// Nearest half, ties to even, as its bits; the arithmetic in double precision is exact.
inline std::uint16_t half_bits(float value) {
  const std::uint16_t sign = std::signbit(value) ? 0x8000U : 0U;
  if (std::isnan(value)) return 0x7E00U;
  const double magnitude = std::fabs(static_cast<double>(value));
  if (magnitude >= 65520.0) return static_cast<std::uint16_t>(sign | 0x7C00U);
  if (magnitude < 0x1p-14) {
    return static_cast<std::uint16_t>(sign + std::lrint(magnitude * 0x1p24));
  }
  const int exponent = std::ilogb(magnitude);
  // A mantissa that rounds up to 2048 carries into the exponent by itself.
  const long mantissa = std::lrint(std::ldexp(magnitude, 10 - exponent));
  return static_cast<std::uint16_t>(sign + ((exponent + 14) << 10) + mantissa);
}

inline float half_value(std::uint16_t bits) {
  const int exponent = bits >> 10 & 31;
  const int mantissa = bits & 1023;
  const float sign = (bits & 0x8000U) != 0 ? -1.0F : 1.0F;
  if (exponent == 31) return mantissa != 0 ? std::nanf("") : sign * HUGE_VALF;
  if (exponent == 0) return sign * std::ldexp(static_cast<float>(mantissa), -24);
  return sign * std::ldexp(static_cast<float>(1024 + mantissa), exponent - 25);
}

}  // namespace qe::test
