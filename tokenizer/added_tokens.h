// AddedTokens: tokens that are found in the text itself before it is split into words, such as
// "[MASK]". The leftmost match wins, of those the longest; a token may swallow the spaces beside it
// or insist on standing alone. Rules and order of `tokenizers`' added vocabulary.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/prefix_table.h"

namespace qe::tokenizer {

struct AddedToken {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  // refuse a match that touches a word character
  bool lstrip = false;       // swallow the white space before it
  bool rstrip = false;       // and after it
  bool normalized = false;   // look for its normalized form in the normalized text
};

class AddedTokens {
 public:
  // Contents must differ and have 1 to PrefixTable::kMaxKeyBytes bytes.
  explicit AddedTokens(std::vector<AddedToken> tokens);
  AddedTokens(const AddedTokens&) = delete;  // the table points into the tokens
  AddedTokens& operator=(const AddedTokens&) = delete;

  // Calls on_token(id) for every token in `text` and on_text(part) for every part between them,
  // from left to right, until on_text returns false. False if it did.
  template <typename OnText, typename OnToken>
  bool split(std::string_view text, OnText&& on_text, OnToken&& on_token) const {
    std::size_t done = 0;  // up to here everything has been reported
    std::size_t from = 0;
    while (const std::optional<Place> place = find(text, from)) {
      from = place->end;
      const std::optional<Place> whole = widen(text, *place, done);
      if (!whole) continue;
      if (done < whole->begin && !on_text(text.substr(done, whole->begin - done))) return false;
      on_token(tokens_[whole->token].id);
      done = whole->end;
    }
    return done >= text.size() || on_text(text.substr(done));
  }

 private:
  struct Place {
    std::size_t begin;
    std::size_t end;
    std::size_t token;  // index into tokens_
  };
  std::optional<Place> find(std::string_view text, std::size_t from) const noexcept;
  // The place with the spaces it swallows, none if the token may not stand here.
  std::optional<Place> widen(std::string_view text, Place place, std::size_t done) const noexcept;

  std::vector<AddedToken> tokens_;
  PrefixTable table_;
  std::optional<char> only_first_byte_;  // set if all tokens start with the same byte
};

}  // namespace qe::tokenizer
