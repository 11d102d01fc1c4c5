// Looks a code point up in the exceptions first, then in ICU.
#include "tokenizer/unicode.h"

#include <algorithm>
#include <iterator>

#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include "tokenizer/unicode_exceptions.h"

namespace qe::tokenizer {
namespace {

template <std::size_t Size>
const ExceptionRange* find(const ExceptionRange (&table)[Size], char32_t c) noexcept {
  const auto* range = std::lower_bound(std::begin(table), std::end(table), c,
                                       [](const auto& r, char32_t v) { return r.last < v; });
  return range != std::end(table) && range->first <= c ? range : nullptr;
}

template <std::size_t Size>
const ExceptionMapping* find(const ExceptionMapping (&table)[Size], char32_t c) noexcept {
  const auto* mapping = std::lower_bound(std::begin(table), std::end(table), c,
                                         [](const auto& m, char32_t v) { return m.from < v; });
  return mapping != std::end(table) && mapping->from == c ? mapping : nullptr;
}

CodePoints target(const ExceptionMapping& mapping) noexcept {
  CodePoints points{};
  std::copy(std::begin(mapping.to), std::end(mapping.to), points.values.begin());
  while (points.count < points.values.size() && points.values[points.count] != 0) ++points.count;
  return points;
}

bool is_ascii_punctuation(char32_t c) noexcept {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') ||
         (c >= '{' && c <= '~');
}

bool is_word(UChar32 c, std::uint32_t category) noexcept {
  return (category & (U_GC_M_MASK | U_GC_ND_MASK | U_GC_PC_MASK)) != 0 ||
         u_hasBinaryProperty(c, UCHAR_ALPHABETIC) != 0 ||
         u_hasBinaryProperty(c, UCHAR_JOIN_CONTROL) != 0;
}

}  // namespace

std::uint8_t character_flags(char32_t c) noexcept {
  if (const ExceptionRange* exception = find(kFlagExceptions, c)) return exception->value;
  const auto point = static_cast<UChar32>(c);
  const std::uint32_t category = U_GET_GC_MASK(point);
  const bool is_kept_control = c == '\t' || c == '\n' || c == '\r';
  unsigned flags = 0;
  if (u_isUWhiteSpace(point) != 0) flags |= kSpace;
  if (((category & U_GC_C_MASK & ~U_GC_CN_MASK) != 0 && !is_kept_control) || c == 0xFFFD) {
    flags |= kRemoved;
  }
  if ((category & U_GC_P_MASK) != 0 || is_ascii_punctuation(c)) flags |= kPunctuation;
  if ((category & U_GC_MN_MASK) != 0) flags |= kMark;
  if (is_word(point, category)) flags |= kWord;
  return static_cast<std::uint8_t>(flags);
}

bool is_chinese(char32_t c) noexcept {
  const auto in = [c](char32_t first, char32_t last) { return c >= first && c <= last; };
  return in(0x3400, 0x4DBF) || in(0x4E00, 0x9FFF) || in(0xF900, 0xFAFF) || in(0x20000, 0x2A6DF) ||
         in(0x2A700, 0x2B81F) || in(0x2B920, 0x2CEAF) || in(0x2F800, 0x2FA1F);
}

std::uint8_t combining_class(char32_t c) noexcept {
  if (const ExceptionRange* exception = find(kCombiningExceptions, c)) return exception->value;
  return u_getCombiningClass(static_cast<UChar32>(c));
}

CodePoints lowercase(char32_t c) noexcept {
  if (const ExceptionMapping* exception = find(kLowercaseExceptions, c)) return target(*exception);
  return {{static_cast<char32_t>(u_tolower(static_cast<UChar32>(c)))}, 1};
}

CodePoints decompose(char32_t c) noexcept {
  if (const ExceptionMapping* exception = find(kDecompositionExceptions, c)) {
    return target(*exception);
  }
  // Built into the library: cannot fail and is never freed.
  UErrorCode error = U_ZERO_ERROR;
  const UNormalizer2* nfd = unorm2_getNFDInstance(&error);
  std::array<UChar, 8> units;  // four code points
  const std::int32_t length = unorm2_getDecomposition(
      nfd, static_cast<UChar32>(c), units.data(), static_cast<std::int32_t>(units.size()), &error);
  if (length < 0) return {{c}, 1};
  CodePoints points{};
  for (std::int32_t i = 0; i < length;) {
    UChar32 point = 0;
    U16_NEXT(units.data(), i, length, point);
    points.values[points.count++] = static_cast<char32_t>(point);
  }
  return points;
}

}  // namespace qe::tokenizer
