// One pass over the bytes finds the words; the table of ASCII classes keeps ICU out of ASCII text.
#include "tokenizer/wordpiece.h"

#include <algorithm>
#include <array>
#include <utility>

#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace qe::tokenizer {
namespace {

enum class CharacterKind : std::uint8_t { kLetter, kSpace, kPunctuation, kNotAscii };

CharacterKind kind_of(char32_t c) noexcept {
  const std::uint8_t flags = character_flags(c);
  if ((flags & CharacterFlags::kSpace) != 0) return CharacterKind::kSpace;
  if ((flags & CharacterFlags::kPunctuation) != 0) return CharacterKind::kPunctuation;
  return CharacterKind::kLetter;
}

std::array<CharacterKind, 256> make_byte_kinds() noexcept {
  std::array<CharacterKind, 256> kinds;
  kinds.fill(CharacterKind::kNotAscii);
  for (char32_t c = 0; c < 128; ++c) kinds[c] = kind_of(c);
  return kinds;
}

bool has_more_characters_than(std::string_view text, std::size_t limit) noexcept {
  if (text.size() <= limit) return false;
  const auto continuations = std::count_if(text.begin(), text.end(), is_continuation);
  return text.size() - static_cast<std::size_t>(continuations) > limit;
}

PrefixTable make_table(const Vocabulary& vocabulary, std::string_view prefix) {
  std::vector<PrefixTable::Item> items;
  items.reserve(static_cast<std::size_t>(vocabulary.size()));
  for (int id = 0; id < vocabulary.size(); ++id) {
    const std::string_view token = vocabulary.token(id);
    if (token.size() > prefix.size() && token.starts_with(prefix)) {
      items.push_back({token.substr(prefix.size()), id});
    }
  }
  return PrefixTable(std::move(items));
}

}  // namespace

WordPiece::WordPiece(const Vocabulary& vocabulary, std::int32_t unknown_id,
                     const WordPieceOptions& options)
    : first_(make_table(vocabulary, "")),
      rest_(make_table(vocabulary, options.continuation_prefix)),
      unknown_id_(unknown_id),
      max_word_characters_(options.max_word_characters) {}

bool WordPiece::append(std::string_view text, std::size_t stop,
                       std::vector<std::int32_t>& ids) const {
  static const std::array<CharacterKind, 256> byte_kinds = make_byte_kinds();
  std::size_t word = 0;  // where the current word starts
  std::size_t at = 0;
  while (at < text.size()) {
    CharacterKind kind = byte_kinds[static_cast<unsigned char>(text[at])];
    std::size_t size = 1;
    if (kind == CharacterKind::kNotAscii) {
      const CodePoint point = first_code_point(text.substr(at));
      kind = kind_of(point.value);
      size = point.size;
    }
    if (kind != CharacterKind::kLetter) {
      if (at > word) {
        append_word(text.substr(word, at - word), ids);
        if (ids.size() >= stop) return false;
      }
      word = at + size;
      if (kind == CharacterKind::kPunctuation) {
        append_word(text.substr(at, size), ids);
        if (ids.size() >= stop) return false;
      }
    }
    at += size;
  }
  if (at > word) {
    append_word(text.substr(word), ids);
    if (ids.size() >= stop) return false;
  }
  return true;
}

void WordPiece::append_word(std::string_view word, std::vector<std::int32_t>& ids) const {
  const std::size_t before = ids.size();
  bool is_known = !has_more_characters_than(word, max_word_characters_);
  const PrefixTable* table = &first_;
  while (is_known && !word.empty()) {
    const PrefixTable::Match piece = table->longest(word);
    is_known = piece.size != 0;
    if (is_known) ids.push_back(piece.value);
    word.remove_prefix(piece.size);
    table = &rest_;
  }
  if (is_known) return;
  ids.resize(before);
  ids.push_back(unknown_id_);
}

}  // namespace qe::tokenizer
