// Config: read-only view of a model's configuration (a JSON object such as config.json), with
// checked access: every getter names the file and key it read, what it expected and what it found.
// Untrusted input: size, nesting and number ranges are bounded.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace qe {

class Config {
 public:
  // Parses UTF-8 JSON; `file` is only used in messages. Throws LoadError if it is not one JSON
  // object, repeats a key, or nests deeper than 64 levels.
  static Config parse(std::string_view json, std::string file);

  bool has(std::string_view key) const;  // present and not null
  bool is_array(std::string_view key) const;
  bool is_object(std::string_view key) const;

  // Required values; throw LoadError if absent, of another type or out of range [low, high].
  std::int64_t integer(std::string_view key, std::int64_t low, std::int64_t high) const;
  double real(std::string_view key, double low, double high) const;
  std::string string(std::string_view key) const;
  bool boolean(std::string_view key) const;
  std::vector<std::string> strings(std::string_view key) const;  // an array of strings
  // An array of numbers, each in the range.
  std::vector<double> reals(std::string_view key, double low, double high) const;
  Config object(std::string_view key) const;  // a nested object

  // The same with a value for an absent (or null) key.
  std::int64_t integer_or(std::string_view key, std::int64_t fallback, std::int64_t low,
                          std::int64_t high) const;
  double real_or(std::string_view key, double fallback, double low, double high) const;
  std::string string_or(std::string_view key, std::string fallback) const;
  bool boolean_or(std::string_view key, bool fallback) const;

  // Keys of the object in file order with their values as compact JSON.
  std::vector<std::pair<std::string, std::string>> items() const;

  const std::string& file() const;
  std::string dump() const;  // the whole object as indented JSON, keys in file order

 private:
  struct Impl;
  explicit Config(std::shared_ptr<const Impl> impl);
  std::shared_ptr<const Impl> impl_;  // immutable, shared by copies and nested views
};

}  // namespace qe
