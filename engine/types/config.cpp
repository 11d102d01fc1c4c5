// Config: checked access to a JSON object, with messages that name the key by its path.
#include <qe/config.h>

#include <array>
#include <charconv>
#include <limits>
#include <optional>

#include <qe/error.h>
#include "engine/types/json_tree.h"

namespace qe {
namespace {

using json::Array;
using json::Null;
using json::Number;
using json::Object;
using json::Value;

// The value as a user would recognise it, cut to a readable length.
std::string shown(const Value& value) {
  constexpr std::size_t kLongest = 60;
  if (std::holds_alternative<Array>(value.data)) return "an array";
  if (std::holds_alternative<Object>(value.data)) return "an object";
  const std::string text = json::dump(value, -1);
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "...";
}

template <typename T>
std::optional<T> parse_number(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The number that `value` is, if it is one and in the range.
std::optional<double> real_in(const Value& value, double low, double high) {
  const auto* number = std::get_if<Number>(&value.data);
  if (number == nullptr) return std::nullopt;
  const auto parsed = parse_number<double>(number->text);
  if (!parsed || !(*parsed >= low && *parsed <= high)) return std::nullopt;
  return parsed;
}

std::string spelled(double value) {
  std::array<char, 32> buffer{};
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value);
  return {buffer.data(), result.ptr};
}

template <typename T>
std::string range(T low, T high) {
  if constexpr (std::is_floating_point_v<T>) return spelled(low) + " to " + spelled(high);
  return std::to_string(low) + " to " + std::to_string(high);
}

}  // namespace

struct Config::Impl {
  std::shared_ptr<const Value> root;  // keeps `object` alive
  const Object* object;
  std::string file;
  std::string path;  // of this object inside the file, "" or "a.b."

  const Value* find(std::string_view key) const {
    for (const auto& [name, value] : *object) {
      if (name == key) return std::holds_alternative<Null>(value.data) ? nullptr : &value;
    }
    return nullptr;
  }

  const Value& require(std::string_view key, const char* expected) const {
    if (const Value* value = find(key)) return *value;
    throw LoadError(
        {.problem = "key is missing", .file = file, .name = label(key), .expected = expected});
  }

  template <typename T>
  const T& get(std::string_view key, const char* expected) const {
    const Value& value = require(key, expected);
    if (const T* typed = std::get_if<T>(&value.data)) return *typed;
    fail(key, expected, value);
  }

  [[noreturn]] void fail(std::string_view key, std::string expected, const Value& value) const {
    throw LoadError({.problem = "wrong value",
                     .file = file,
                     .name = label(key),
                     .expected = std::move(expected),
                     .actual = shown(value)});
  }

  std::string label(std::string_view key) const { return path + std::string(key); }
};

Config::Config(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Config Config::parse(std::string_view text, std::string file) {
  auto root = std::make_shared<const Value>(json::parse(text, file));
  const auto* object = std::get_if<Object>(&root->data);
  if (object == nullptr) {
    throw LoadError({.problem = "not a JSON object",
                     .file = file,
                     .expected = "{...}",
                     .actual = shown(*root)});
  }
  return Config(std::make_shared<const Impl>(Impl{std::move(root), object, std::move(file), ""}));
}

bool Config::has(std::string_view key) const { return impl_->find(key) != nullptr; }

bool Config::is_array(std::string_view key) const {
  const Value* const value = impl_->find(key);
  return value != nullptr && std::holds_alternative<Array>(value->data);
}

bool Config::is_object(std::string_view key) const {
  const Value* const value = impl_->find(key);
  return value != nullptr && std::holds_alternative<Object>(value->data);
}

std::int64_t Config::integer(std::string_view key, std::int64_t low, std::int64_t high) const {
  const std::string expected = "an integer, " + range(low, high);
  const Value& value = impl_->require(key, expected.c_str());
  const auto* number = std::get_if<Number>(&value.data);
  if (number == nullptr || !number->integer) impl_->fail(key, expected, value);
  const auto parsed = parse_number<std::int64_t>(number->text);
  if (!parsed || *parsed < low || *parsed > high) impl_->fail(key, expected, value);
  return *parsed;
}

double Config::real(std::string_view key, double low, double high) const {
  const std::string expected = "a number, " + range(low, high);
  const Value& value = impl_->require(key, expected.c_str());
  const auto number = real_in(value, low, high);
  if (!number) impl_->fail(key, expected, value);
  return *number;
}

std::vector<double> Config::reals(std::string_view key, double low, double high) const {
  const std::string expected = "an array of numbers, " + range(low, high);
  std::vector<double> out;
  for (const Value& element : impl_->get<Array>(key, expected.c_str())) {
    const auto number = real_in(element, low, high);
    if (!number) impl_->fail(key, expected, element);
    out.push_back(*number);
  }
  return out;
}

std::string Config::string(std::string_view key) const {
  return impl_->get<std::string>(key, "a string");
}

bool Config::boolean(std::string_view key) const { return impl_->get<bool>(key, "true or false"); }

std::vector<std::string> Config::strings(std::string_view key) const {
  constexpr const char* kExpected = "an array of strings";
  std::vector<std::string> out;
  for (const Value& element : impl_->get<Array>(key, kExpected)) {
    const auto* text = std::get_if<std::string>(&element.data);
    if (text == nullptr) impl_->fail(key, kExpected, element);
    out.push_back(*text);
  }
  return out;
}

Config Config::object(std::string_view key) const {
  const Object& nested = impl_->get<Object>(key, "an object");
  return Config(std::make_shared<const Impl>(
      Impl{impl_->root, &nested, impl_->file, impl_->label(key) + "."}));
}

std::int64_t Config::integer_or(std::string_view key, std::int64_t fallback, std::int64_t low,
                                std::int64_t high) const {
  return has(key) ? integer(key, low, high) : fallback;
}

double Config::real_or(std::string_view key, double fallback, double low, double high) const {
  return has(key) ? real(key, low, high) : fallback;
}

std::string Config::string_or(std::string_view key, std::string fallback) const {
  return has(key) ? string(key) : std::move(fallback);
}

bool Config::boolean_or(std::string_view key, bool fallback) const {
  return has(key) ? boolean(key) : fallback;
}

std::vector<std::pair<std::string, std::string>> Config::items() const {
  std::vector<std::pair<std::string, std::string>> out;
  out.reserve(impl_->object->size());
  for (const auto& [key, value] : *impl_->object) {
    out.emplace_back(key, json::dump(value, -1));
  }
  return out;
}

const std::string& Config::file() const { return impl_->file; }

std::string Config::dump() const { return json::dump(Value{*impl_->object}, 2); }

}  // namespace qe
