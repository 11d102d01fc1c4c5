// A SAX handler of nlohmann::json builds the tree, so that depth and duplicates are seen while
// parsing, and diverts the vocabulary.
#include "tokenizer/json_document.h"

#include <cmath>
#include <limits>
#include <utility>

#include <qe/error.h>

namespace qe::tokenizer {
namespace {

using nlohmann::json;

constexpr std::size_t kMaxDepth = 64;

class TreeBuilder {
 public:
  TreeBuilder(TokenizerDocument& document, bool has_vocabulary, const std::string& file)
      : document_(document), has_vocabulary_(has_vocabulary), file_(file) {}

  // The events of nlohmann::json's SAX interface.
  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(json::number_integer_t value) { return add_integer(value); }
  bool number_unsigned(json::number_unsigned_t value) { return add_integer(value); }
  bool number_float(json::number_float_t value, const json::string_t& /*text*/) {
    return add(value);
  }
  bool string(json::string_t& value) { return add(std::move(value)); }
  bool binary(json::binary_t& /*value*/) { return false; }  // not in JSON text
  bool start_object(std::size_t /*size*/) {
    const bool is_model = open_.size() == 1 && open_.back()->is_object() && key_ == "model";
    const bool is_vocabulary = has_vocabulary_ && open_.size() == 2 && in_model_ && key_ == "vocab";
    add(json::object());
    if (is_model) in_model_ = true;
    if (is_vocabulary) in_vocabulary_ = true;
    return true;
  }
  bool key(json::string_t& name) {
    if (in_vocabulary_) {
      document_.tokens.add(name);
      return true;
    }
    if (open_.back()->contains(name)) fail("key appears twice", name);
    key_ = std::move(name);
    return true;
  }
  bool end_object() { return close(); }
  bool start_array(std::size_t /*size*/) { return add(json::array()); }
  bool end_array() { return close(); }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const json::exception& error) {
    fail(std::string("malformed JSON: ") + error.what(), "byte " + std::to_string(position));
  }

 private:
  [[noreturn]] void fail(std::string problem, std::string name) const {
    throw LoadError({.problem = std::move(problem), .file = file_, .name = std::move(name)});
  }

  template <typename Integer>
  bool add_integer(Integer value) {
    if (!in_vocabulary_) return add(value);
    if (!std::in_range<std::int64_t>(value)) return add(value);
    document_.ids.push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool add(json value) {
    if (in_vocabulary_) {
      const std::string_view token = document_.tokens.token(document_.tokens.size() - 1);
      throw LoadError({.problem = "the id of a token is not a 64-bit integer",
                       .file = file_,
                       .name = "model.vocab." + std::string(token)});
    }
    const bool is_container = value.is_structured();
    if (is_container && open_.size() == kMaxDepth) {
      throw LoadError({.problem = "JSON is nested too deep",
                       .file = file_,
                       .name = key_,
                       .expected = "at most " + std::to_string(kMaxDepth) + " levels",
                       .actual = "more"});
    }
    json* place = &document_.root;
    if (open_.empty()) {
      *place = std::move(value);
    } else if (open_.back()->is_array()) {
      place = &open_.back()->emplace_back(std::move(value));
    } else {
      place = &open_.back()->emplace(std::move(key_), std::move(value)).first.value();
    }
    if (is_container) open_.push_back(place);
    return true;
  }

  bool close() {
    open_.pop_back();
    in_vocabulary_ = false;
    if (open_.size() < 2) in_model_ = false;
    return true;
  }

  TokenizerDocument& document_;
  bool has_vocabulary_;
  const std::string& file_;
  std::vector<json*> open_;  // the containers around the current place, outermost first
  std::string key_;
  bool in_model_ = false;
  bool in_vocabulary_ = false;
};

TokenizerDocument parse(std::string_view text, bool has_vocabulary, const std::string& file) {
  TokenizerDocument document;
  TreeBuilder builder(document, has_vocabulary, file);
  json::sax_parse(text.begin(), text.end(), &builder);
  return document;
}

}  // namespace

TokenizerDocument parse_tokenizer_json(std::string_view text, const std::string& file) {
  return parse(text, true, file);
}

nlohmann::json parse_json(std::string_view text, const std::string& file) {
  return parse(text, false, file).root;
}

JsonView::JsonView(const nlohmann::json& value, std::string file, std::string path)
    : value_(&value), file_(std::move(file)), path_(std::move(path)) {}

std::optional<JsonView> JsonView::find(std::string_view key) const {
  if (!value_->is_object()) fail("wrong type", "an object");
  const auto member = value_->find(key);
  if (member == value_->end()) return std::nullopt;
  return JsonView(*member, file_,
                  path_.empty() ? std::string(key) : path_ + "." + std::string(key));
}

std::optional<JsonView> JsonView::find_value(std::string_view key) const {
  std::optional<JsonView> member = find(key);
  if (member && member->is_null()) member.reset();
  return member;
}

JsonView JsonView::at(std::string_view key) const {
  std::optional<JsonView> member = find(key);
  if (!member) fail("key \"" + std::string(key) + "\" is missing");
  return *std::move(member);
}

std::vector<JsonView> JsonView::elements() const {
  if (!value_->is_array()) fail("wrong type", "an array");
  std::vector<JsonView> views;
  for (const json& element : *value_) {
    views.emplace_back(element, file_, path_ + "[" + std::to_string(views.size()) + "]");
  }
  return views;
}

std::vector<std::pair<std::string, JsonView>> JsonView::members() const {
  if (!value_->is_object()) fail("wrong type", "an object");
  std::vector<std::pair<std::string, JsonView>> views;
  for (const auto& [key, value] : value_->items()) {
    views.emplace_back(key, JsonView(value, file_, path_ + "." + key));
  }
  return views;
}

const std::string& JsonView::string() const {
  if (!value_->is_string()) fail("wrong type", "a string");
  return value_->get_ref<const std::string&>();
}

bool JsonView::boolean() const {
  if (!value_->is_boolean()) fail("wrong type", "true or false");
  return value_->get<bool>();
}

std::int64_t JsonView::integer(std::int64_t low, std::int64_t high) const {
  const bool is_integer = value_->is_number_integer();
  const bool fits = is_integer && (!value_->is_number_unsigned() ||
                                   std::in_range<std::int64_t>(value_->get<std::uint64_t>()));
  if (!fits || value_->get<std::int64_t>() < low || value_->get<std::int64_t>() > high) {
    fail("not an allowed value",
         "an integer from " + std::to_string(low) + " to " + std::to_string(high));
  }
  return value_->get<std::int64_t>();
}

double JsonView::number() const {
  if (!value_->is_number()) fail("wrong type", "a number");
  return value_->get<double>();
}

bool JsonView::boolean_or(std::string_view key, bool fallback) const {
  const std::optional<JsonView> member = find_value(key);
  return member ? member->boolean() : fallback;
}

std::string JsonView::description() const {
  if (value_->is_structured()) return value_->is_array() ? "an array" : "an object";
  constexpr std::size_t kLongest = 60;
  std::string text = value_->dump(-1, ' ', true);
  if (text.size() > kLongest) text = text.substr(0, kLongest) + "...";
  return text;
}

void JsonView::fail(std::string problem, std::string expected) const {
  std::string actual = expected.empty() ? "" : description();
  throw LoadError({.problem = std::move(problem),
                   .file = file_,
                   .name = path_,
                   .expected = std::move(expected),
                   .actual = std::move(actual)});
}

void JsonView::refuse(std::string problem, std::string expected) const {
  throw UnsupportedError({.problem = std::move(problem),
                          .file = file_,
                          .name = path_,
                          .expected = std::move(expected),
                          .actual = description()});
}

}  // namespace qe::tokenizer
