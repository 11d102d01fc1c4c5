// Definition: everything the files of a model directory say about its tokenizer, read and checked
// one file at a time by the functions below and brought together by read_definition.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <qe/tokenizer.h>

#include "tokenizer/added_tokens.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/vocabulary.h"
#include "tokenizer/wordpiece.h"

namespace qe::tokenizer {

struct Definition {
  std::string file;                // the file that gave the vocabulary, for messages
  Vocabulary vocabulary;           // of the WordPiece model: ids 0 to size() - 1
  bool may_repeat_tokens = false;  // as lines of vocab.txt may
  NormalizerOptions normalizer;
  WordPieceOptions wordpiece;
  std::int32_t unknown_id = 0;
  std::int32_t cls_id = 0;
  std::int32_t sep_id = 0;
  // By id. An id beyond the vocabulary extends it; those ids follow it without a gap.
  std::vector<AddedToken> added_tokens;
  std::optional<std::int64_t> truncation;        // of tokenizer.json
  std::optional<std::int64_t> model_max_length;  // of tokenizer_config.json
};

// tokenizer_config.json, what of it concerns the ids. Absent values are left empty.
struct ConfigSettings {
  std::string file;
  std::optional<bool> do_lower_case;
  std::optional<bool> tokenize_chinese_chars;
  std::optional<std::optional<bool>> strip_accents;  // may be given as null: as do_lower_case
  std::optional<std::string> unk_token, cls_token, sep_token, pad_token, mask_token;
  std::optional<std::int64_t> model_max_length;
  std::vector<AddedToken> added_tokens;  // added_tokens_decoder
};

ConfigSettings read_tokenizer_config(std::string_view text, const std::string& file);
// Lines of vocab.txt; a token's id is its line, counted from 0.
Vocabulary read_vocab_txt(std::string_view text, const std::string& file);
// A line of vocab.txt counts without the white space at its end.
std::string_view trim_end(std::string_view token) noexcept;
Definition read_tokenizer_json(std::string_view text, const std::string& file);
Definition make_bert_definition(Vocabulary vocabulary, std::string file,
                                const ConfigSettings& config);

// Throws LoadError for what is malformed or contradictory, UnsupportedError for another scheme.
Definition read_definition(const TokenizerSources& sources);

}  // namespace qe::tokenizer
