// What the BERT scheme asks about a code point, answered as Hugging Face's `tokenizers` answers:
// ICU's tables with the generated exceptions of unicode_exceptions.h laid over them. That library
// mixes tables of several Unicode versions, so no single version of ICU could stand in for it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace qe::tokenizer {

// tests/oracle/tokenizer_unicode_sweep.py writes these values into the exception table.
enum CharacterFlags : std::uint8_t {
  kSpace = 1,        // White_Space: ends a word
  kRemoved = 2,      // dropped by clean-up: NUL, U+FFFD, control, format, private use
  kPunctuation = 4,  // a word of its own
  kMark = 8,         // Mn: dropped when accents are stripped
  kWord = 16,        // \w of a regular expression: what a `single_word` token may not touch
};
std::uint8_t character_flags(char32_t c) noexcept;  // the union of CharacterFlags

// Code points that get spaces around them: the CJK ideograph blocks as BERT lists them.
bool is_chinese(char32_t c) noexcept;

std::uint8_t combining_class(char32_t c) noexcept;

struct CodePoints {
  std::array<char32_t, 4> values;
  std::size_t count;
};
CodePoints lowercase(char32_t c) noexcept;  // of the code point by itself: no context, no locale
CodePoints decompose(char32_t c) noexcept;  // full canonical decomposition (NFD), not reordered

}  // namespace qe::tokenizer
