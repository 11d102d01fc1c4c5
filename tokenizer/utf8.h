// UTF-8: checking whole texts once, then reading and writing code points of checked text without
// further tests (Unicode standard, table 3-7: no overlong forms, no surrogates).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace qe::tokenizer {

// Offset of the first byte that does not belong to well-formed UTF-8, none if all do.
std::optional<std::size_t> find_invalid_utf8(std::string_view text) noexcept;

inline bool is_ascii(char c) noexcept { return static_cast<unsigned char>(c) < 0x80; }
inline bool is_continuation(char c) noexcept {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

struct CodePoint {
  char32_t value;
  std::size_t size;  // bytes it takes in the text
};

// The code point at the start of `text`: not empty and well-formed.
inline CodePoint first_code_point(std::string_view text) noexcept {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const auto tail = [&](std::size_t i) { return static_cast<char32_t>(byte(i) & 0x3F); };
  const char32_t lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | tail(1), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | tail(1) << 6 | tail(2), 3};
  return {(lead & 0x07) << 18 | tail(1) << 12 | tail(2) << 6 | tail(3), 4};
}

// The code point at the end of `text`: not empty and well-formed.
inline CodePoint last_code_point(std::string_view text) noexcept {
  std::size_t start = text.size() - 1;
  while (is_continuation(text[start])) --start;
  return first_code_point(text.substr(start));
}

inline void append_utf8(char32_t c, std::string& out) {
  const auto put = [&](char32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

}  // namespace qe::tokenizer
