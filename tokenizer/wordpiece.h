// WordPiece: splits normalized text into words (at spaces, with every punctuation character a word
// of its own) and each word into the longest known pieces from left to right; a word that cannot be
// covered, or is too long, becomes the unknown token. Devlin et al. 2019; Wu et al. 2016,
// section 4.1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/prefix_table.h"
#include "tokenizer/vocabulary.h"

namespace qe::tokenizer {

struct WordPieceOptions {
  std::string continuation_prefix = "##";  // marks a piece that does not start a word
  std::size_t max_word_characters = 100;
};

class WordPiece {
 public:
  // `vocabulary` must outlive it and hold no token longer than PrefixTable::kMaxKeyBytes.
  WordPiece(const Vocabulary& vocabulary, std::int32_t unknown_id, const WordPieceOptions& options);

  // A token that stands in the vocabulary more than once; its last id counts.
  std::optional<std::string_view> duplicate() const noexcept { return first_.duplicate(); }

  // Appends the ids of `text`, stopping after the first word that brings `ids` to `stop` elements.
  // False if it stopped so.
  bool append(std::string_view text, std::size_t stop, std::vector<std::int32_t>& ids) const;

 private:
  void append_word(std::string_view word, std::vector<std::int32_t>& ids) const;

  PrefixTable first_;  // pieces as they stand: they start a word
  PrefixTable rest_;   // pieces with the prefix, by what follows it
  std::int32_t unknown_id_;
  std::size_t max_word_characters_;
};

}  // namespace qe::tokenizer
