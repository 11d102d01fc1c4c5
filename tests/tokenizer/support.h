// Small tokenizers for the tests, made in memory, and where the shared data sets lie.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <qe/tokenizer.h>

namespace qe::test {

constexpr int kNoLimit = std::numeric_limits<int>::max();

inline std::filesystem::path shared_folder() {
  const char* data = std::getenv("QE_DATA_DIR");
  return data != nullptr ? data : QE_SOURCE_DIR "/../shared";
}

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// The tokens and the five special ones before them: [PAD] [UNK] [CLS] [SEP] [MASK] are 0 to 4.
inline std::vector<std::string> with_specials(const std::vector<std::string>& tokens) {
  std::vector<std::string> all = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  for (const std::string& token : tokens) {
    if (std::find(all.begin(), all.end(), token) == all.end()) all.push_back(token);
  }
  return all;
}

inline std::string vocab_lines(const std::vector<std::string>& tokens) {
  std::string text;
  for (const std::string& token : with_specials(tokens)) text += token + "\n";
  return text;
}

inline Tokenizer load_vocab(const std::vector<std::string>& tokens,
                            std::string_view config = "{}") {
  const std::string text = vocab_lines(tokens);
  return Tokenizer::load(
      {.vocab_txt = text, .tokenizer_config_json = config, .directory = "model"});
}

// A complete tokenizer.json to be changed by a test.
inline nlohmann::json bert_json(const std::vector<std::string>& tokens) {
  using nlohmann::json;
  json document = json::parse(R"({
    "version": "1.0", "truncation": null, "padding": null, "added_tokens": [],
    "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                   "strip_accents": null, "lowercase": true},
    "pre_tokenizer": {"type": "BertPreTokenizer"},
    "post_processor": {"type": "TemplateProcessing",
      "single": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
                 {"Sequence": {"id": "A", "type_id": 0}},
                 {"SpecialToken": {"id": "[SEP]", "type_id": 0}}],
      "pair": [{"SpecialToken": {"id": "[CLS]", "type_id": 0}},
               {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "[SEP]", "type_id": 0}},
               {"Sequence": {"id": "B", "type_id": 1}},
               {"SpecialToken": {"id": "[SEP]", "type_id": 1}}],
      "special_tokens": {"[CLS]": {"id": "[CLS]", "ids": [2], "tokens": ["[CLS]"]},
                         "[SEP]": {"id": "[SEP]", "ids": [3], "tokens": ["[SEP]"]}}},
    "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
    "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
              "max_input_chars_per_word": 100, "vocab": {}}})");
  const std::vector<std::string> all = with_specials(tokens);
  for (std::size_t id = 0; id < all.size(); ++id) document["model"]["vocab"][all[id]] = id;
  for (int id = 0; id < 5; ++id) {
    document["added_tokens"].push_back({{"id", id},
                                        {"content", all[static_cast<std::size_t>(id)]},
                                        {"single_word", false},
                                        {"lstrip", false},
                                        {"rstrip", false},
                                        {"normalized", false},
                                        {"special", true}});
  }
  return document;
}

inline Tokenizer load_json(const nlohmann::json& document) {
  const std::string text = document.dump();
  return Tokenizer::load({.tokenizer_json = text, .directory = "model"});
}

// All tokens of a text or pair, the special ones at both ends included.
inline std::vector<std::string> tokens_of(const Tokenizer& tokenizer, std::string_view text,
                                          std::optional<std::string_view> pair = {},
                                          int max_length = kNoLimit) {
  Encoding encoding;
  tokenizer.encode(text, pair, max_length, encoding);
  std::vector<std::string> tokens;
  for (const std::int32_t id : encoding.ids) tokens.emplace_back(tokenizer.token(id));
  return tokens;
}

// The tokens of a text without [CLS] and [SEP].
inline std::vector<std::string> pieces_of(const Tokenizer& tokenizer, std::string_view text) {
  std::vector<std::string> tokens = tokens_of(tokenizer, text);
  return {tokens.begin() + 1, tokens.end() - 1};
}

}  // namespace qe::test
