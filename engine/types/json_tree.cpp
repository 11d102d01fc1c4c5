// Parser and printer of the JSON tree. nlohmann-json tokenizes (its SAX interface); the tree is
// built here because its own documents keep neither the order of keys in linear time nor number
// spellings.
#include "engine/types/json_tree.h"

#include <unordered_set>

#include <nlohmann/json.hpp>

#include <qe/error.h>

namespace qe::json {
namespace {

constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kMaxBytes = std::size_t{16} << 20;

// Builds the tree from the events of the tokenizer.
class TreeBuilder final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit TreeBuilder(const std::string& file) : file_(file) {}
  Value take() { return std::move(root_); }

  bool null() override { return scalar(Null{}); }
  bool boolean(bool value) override { return scalar(value); }
  bool number_integer(number_integer_t value) override {
    return scalar(Number{std::to_string(value), true});
  }
  bool number_unsigned(number_unsigned_t value) override {
    return scalar(Number{std::to_string(value), true});
  }
  bool number_float(number_float_t /*value*/, const string_t& text) override {
    return scalar(Number{text, false});
  }
  bool string(string_t& value) override { return scalar(std::move(value)); }
  bool binary(binary_t& /*value*/) override { return false; }
  bool start_object(std::size_t /*size*/) override { return open(Object{}); }
  bool start_array(std::size_t /*size*/) override { return open(Array{}); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t& value) override {
    if (!open_.back().keys.insert(value).second) {
      throw LoadError({.problem = "key appears twice", .file = file_, .name = value});
    }
    open_.back().key = std::move(value);
    return true;
  }
  bool parse_error(std::size_t position, const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    throw LoadError(
        {.problem = "not valid JSON", .file = file_, .name = "byte " + std::to_string(position)});
  }

 private:
  struct Open {
    Value value;
    std::string key;  // of the member being read
    std::unordered_set<std::string> keys;
  };

  template <typename T>
  bool scalar(T&& value) {
    place(Value{std::forward<T>(value)});
    return true;
  }

  template <typename T>
  bool open(T&& value) {
    if (open_.size() == kMaxDepth) {
      throw LoadError({.problem = "nested too deeply",
                       .file = file_,
                       .expected = "at most " + std::to_string(kMaxDepth) + " levels"});
    }
    open_.push_back({Value{std::forward<T>(value)}, {}, {}});
    return true;
  }

  bool close() {
    Value done = std::move(open_.back().value);
    open_.pop_back();
    place(std::move(done));
    return true;
  }

  void place(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
      return;
    }
    Open& parent = open_.back();
    if (auto* array = std::get_if<Array>(&parent.value.data)) {
      array->push_back(std::move(value));
    } else {
      std::get<Object>(parent.value.data).emplace_back(std::move(parent.key), std::move(value));
    }
  }

  const std::string& file_;
  Value root_;
  std::vector<Open> open_;
};

// Appends `value` as JSON; indent < 0 writes it on one line.
void write(const Value& value, int indent, int level, std::string& out) {
  const auto line = [&](int depth) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<std::size_t>(indent) * depth, ' ');
  };
  const char* separator = indent < 0 ? ":" : ": ";
  if (std::holds_alternative<Null>(value.data)) {
    out += "null";
  } else if (const auto* flag = std::get_if<bool>(&value.data)) {
    out += *flag ? "true" : "false";
  } else if (const auto* number = std::get_if<Number>(&value.data)) {
    out += number->text;
  } else if (const auto* text = std::get_if<std::string>(&value.data)) {
    out += quote(*text);
  } else if (const auto* array = std::get_if<Array>(&value.data)) {
    out += '[';
    for (std::size_t i = 0; i < array->size(); ++i) {
      if (i > 0) out += ',';
      line(level + 1);
      write((*array)[i], indent, level + 1, out);
    }
    if (!array->empty()) line(level);
    out += ']';
  } else {
    const auto& object = std::get<Object>(value.data);
    out += '{';
    for (std::size_t i = 0; i < object.size(); ++i) {
      if (i > 0) out += ',';
      line(level + 1);
      out += quote(object[i].key) + separator;
      write(object[i].value, indent, level + 1, out);
    }
    if (!object.empty()) line(level);
    out += '}';
  }
}

}  // namespace

Value parse(std::string_view text, const std::string& file) {
  if (text.size() > kMaxBytes) {
    throw LoadError({.problem = "JSON text is too large",
                     .file = file,
                     .expected = "at most " + std::to_string(kMaxBytes) + " bytes",
                     .actual = std::to_string(text.size()) + " bytes"});
  }
  // The tokenizer takes a NUL for the end of its input and would ignore the rest.
  if (text.find('\0') != std::string_view::npos) {
    throw LoadError({.problem = "JSON text contains a NUL byte", .file = file});
  }
  TreeBuilder builder(file);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

Value text(std::string_view value) { return {std::string(value)}; }

Value number(std::int64_t value) { return {Number{std::to_string(value), true}}; }

std::string quote(const std::string& text) {
  try {
    return nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {
    throw UsageError({.problem = "text is not UTF-8"});
  }
}

std::string dump(const Value& value, int indent) {
  std::string out;
  write(value, indent, 0, out);
  return out;
}

}  // namespace qe::json
