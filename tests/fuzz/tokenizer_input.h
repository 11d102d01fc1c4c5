// What the tokenizer's fuzz targets share: encoding a text and checking what must hold of the
// result.
#pragma once

#include <cstdlib>
#include <optional>
#include <string_view>

#include <qe/error.h>
#include <qe/tokenizer.h>

namespace qe::fuzz {

inline void require(bool condition) {
  if (!condition) std::abort();
}

inline void encode_and_check(const Tokenizer& tokenizer, std::string_view text) {
  Encoding encoding;
  const std::string_view half = text.substr(0, text.size() / 2);
  for (const int max_length : {3, 8, 100'000}) {
    try {
      tokenizer.encode(text, max_length == 8 ? std::optional(half) : std::nullopt, max_length,
                       encoding);
    } catch (const DataError&) {
      return;  // not UTF-8
    }
    require(encoding.ids.size() <= static_cast<std::size_t>(max_length));
    require(encoding.ids.size() == encoding.type_ids.size());
    for (const std::int32_t id : encoding.ids) require(id >= 0 && id < tokenizer.vocab_size());
  }
}

}  // namespace qe::fuzz
