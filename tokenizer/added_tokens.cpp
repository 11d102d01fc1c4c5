// Skips to the next byte that starts a token (memchr where there is only one such byte: '[').
#include "tokenizer/added_tokens.h"

#include <utility>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace qe::tokenizer {
namespace {

PrefixTable make_table(const std::vector<AddedToken>& tokens) {
  std::vector<PrefixTable::Item> items;
  items.reserve(tokens.size());
  for (const AddedToken& token : tokens) {
    items.push_back({token.content, static_cast<std::int32_t>(items.size())});
  }
  return PrefixTable(std::move(items));
}

std::optional<char> common_first_byte(const std::vector<AddedToken>& tokens) {
  if (tokens.empty()) return std::nullopt;
  const char first = tokens.front().content.front();
  const bool is_common = std::all_of(tokens.begin(), tokens.end(), [=](const AddedToken& t) {
    return t.content.front() == first;
  });
  return is_common ? std::optional(first) : std::nullopt;
}

bool is_space(char32_t c) noexcept { return (character_flags(c) & kSpace) != 0; }
bool is_word(char32_t c) noexcept { return (character_flags(c) & kWord) != 0; }

}  // namespace

AddedTokens::AddedTokens(std::vector<AddedToken> tokens)
    : tokens_(std::move(tokens)),
      table_(make_table(tokens_)),
      only_first_byte_(common_first_byte(tokens_)) {}

std::optional<AddedTokens::Place> AddedTokens::find(std::string_view text,
                                                    std::size_t from) const noexcept {
  if (table_.empty()) return std::nullopt;
  for (std::size_t at = from; at < text.size(); ++at) {
    if (only_first_byte_) {
      at = text.find(*only_first_byte_, at);
      if (at == std::string_view::npos) break;
    } else if (!table_.may_start_with(text[at])) {
      continue;
    }
    const PrefixTable::Match match = table_.longest(text.substr(at));
    if (match.size != 0) return Place{at, at + match.size, static_cast<std::size_t>(match.value)};
  }
  return std::nullopt;
}

std::optional<AddedTokens::Place> AddedTokens::widen(std::string_view text, Place place,
                                                     std::size_t done) const noexcept {
  const AddedToken& token = tokens_[place.token];
  if (token.single_word) {
    if (place.begin > 0 && is_word(last_code_point(text.substr(0, place.begin)).value)) {
      return std::nullopt;
    }
    if (place.end < text.size() && is_word(first_code_point(text.substr(place.end)).value)) {
      return std::nullopt;
    }
  }
  while (token.lstrip && place.begin > done) {
    const CodePoint before = last_code_point(text.substr(0, place.begin));
    if (!is_space(before.value)) break;
    place.begin -= before.size;
  }
  while (token.rstrip && place.end < text.size()) {
    const CodePoint after = first_code_point(text.substr(place.end));
    if (!is_space(after.value)) break;
    place.end += after.size;
  }
  return place;
}

}  // namespace qe::tokenizer
