// Element types, with the names and widths that safetensors uses. Sub-byte types have a width in
// bits; nothing here converts values.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace qe {

enum class DType : std::uint8_t {
  kBool,
  kF4,
  kF6E2M3,
  kF6E3M2,
  kU8,
  kI8,
  kF8E5M2,
  kF8E4M3,
  kF8E8M0,
  kF8E5M2Fnuz,
  kF8E4M3Fnuz,
  kI16,
  kU16,
  kF16,
  kBF16,
  kI32,
  kU32,
  kF32,
  kC64,
  kF64,
  kI64,
  kU64,
};

// Width of one element in bits (4, 6, 8, 16, 32 or 64).
int bit_width(DType dtype);

// The name safetensors writes, e.g. "F16", "F8_E4M3".
std::string_view name(DType dtype);

// The inverse of name(); nothing for an unknown name.
std::optional<DType> parse_dtype(std::string_view text);

}  // namespace qe
