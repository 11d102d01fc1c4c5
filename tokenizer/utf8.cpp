// Checks text eight ASCII bytes at a time, and everything else against the ranges of the standard.
#include "tokenizer/utf8.h"

#include <cstdint>
#include <cstring>

namespace qe::tokenizer {
namespace {

constexpr std::uint64_t kHighBits = 0x8080808080808080;

// Bytes of the well-formed sequence at the start of `text` (not empty), 0 if there is none.
std::size_t sequence_size(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto tail = [&](std::size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const auto between = [&](unsigned low, unsigned high) {
    return byte(1) >= low && byte(1) <= high;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(1) ? 2 : 0;
  if (lead == 0xE0) return between(0xA0, 0xBF) && tail(2) ? 3 : 0;
  if (lead == 0xED) return between(0x80, 0x9F) && tail(2) ? 3 : 0;
  if (lead >= 0xE1 && lead <= 0xEF) return tail(1) && tail(2) ? 3 : 0;
  if (lead == 0xF0) return between(0x90, 0xBF) && tail(2) && tail(3) ? 4 : 0;
  if (lead == 0xF4) return between(0x80, 0x8F) && tail(2) && tail(3) ? 4 : 0;
  if (lead >= 0xF1 && lead <= 0xF3) return tail(1) && tail(2) && tail(3) ? 4 : 0;
  return 0;
}

}  // namespace

std::optional<std::size_t> find_invalid_utf8(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    std::uint64_t word = kHighBits;
    if (text.size() - at >= sizeof word) std::memcpy(&word, text.data() + at, sizeof word);
    if ((word & kHighBits) == 0) {
      at += sizeof word;
      continue;
    }
    const std::size_t size = sequence_size(text.substr(at));
    if (size == 0) return at;
    at += size;
  }
  return std::nullopt;
}

}  // namespace qe::tokenizer
