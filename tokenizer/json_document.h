// Reading the JSON files of a tokenizer. They are untrusted: duplicate keys, nesting beyond 64
// levels and values of a wrong type or range are refused with the file and the dotted key. The
// vocabulary, nearly all of tokenizer.json, is streamed past the general tree, which would take
// most of the time.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "tokenizer/vocabulary.h"

namespace qe::tokenizer {

// A value of a document with the way to it, for messages. Does not own the document.
class JsonView {
 public:
  JsonView(const nlohmann::json& value, std::string file, std::string path = {});

  bool is_null() const { return value_->is_null(); }
  bool is_object() const { return value_->is_object(); }
  // A member of an object; throws LoadError if this is no object, and at() if there is no such key.
  JsonView at(std::string_view key) const;
  std::optional<JsonView> find(std::string_view key) const;        // none if absent
  std::optional<JsonView> find_value(std::string_view key) const;  // none if absent or null
  std::vector<JsonView> elements() const;                          // of an array
  std::vector<std::pair<std::string, JsonView>> members() const;   // of an object

  const std::string& string() const;
  bool boolean() const;
  std::int64_t integer(std::int64_t low, std::int64_t high) const;
  double number() const;

  bool boolean_or(std::string_view key, bool fallback) const;  // absent or null: the fallback

  // What the value is, for "got ...".
  std::string description() const;
  const std::string& file() const { return file_; }
  const std::string& path() const { return path_; }

  // Throws LoadError for this value.
  [[noreturn]] void fail(std::string problem, std::string expected = {}) const;
  // Throws UnsupportedError for this value, which is well-formed.
  [[noreturn]] void refuse(std::string problem, std::string expected) const;

 private:
  const nlohmann::json* value_;
  std::string file_;
  std::string path_;
};

// tokenizer.json: everything but model.vocab, and model.vocab.
struct TokenizerDocument {
  nlohmann::json root;
  Vocabulary tokens;              // of model.vocab in the order of the file
  std::vector<std::int64_t> ids;  // beside them, as they stand there
};
TokenizerDocument parse_tokenizer_json(std::string_view text, const std::string& file);

nlohmann::json parse_json(std::string_view text, const std::string& file);

}  // namespace qe::tokenizer
