// UTF-8 by ICU's decoder; quotation.
#include "tools/support/text.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace qe::tools {

bool is_utf8(std::string_view text) {
  const auto* const bytes = reinterpret_cast<const std::uint8_t*>(text.data());
  const std::size_t length = text.size();
  for (std::size_t i = 0; i < length;) {
    UChar32 scalar = 0;
    U8_NEXT(bytes, i, length, scalar);
    if (scalar < 0) return false;
  }
  return true;
}

std::string printable(std::string text) {
  std::replace_if(
      text.begin(), text.end(),
      [](char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F; }, ' ');
  return text;
}

std::string quote(std::string_view text) {
  constexpr std::size_t kShown = 60;
  std::string result = "\"";
  result += text.substr(0, kShown);
  result += text.size() > kShown ? "...\"" : "\"";
  return result;
}

}  // namespace qe::tools
