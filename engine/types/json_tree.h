// An ordered JSON tree for untrusted text: repeated keys, depth and size are checked while parsing,
// and numbers keep the spelling of the file. Refuses everything RFC 8259 refuses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace qe::json {

struct Value;
struct Member;
struct Null {};
struct Number {
  std::string text;
  bool integer;
};
using Array = std::vector<Value>;
using Object = std::vector<Member>;

struct Value {
  std::variant<Null, bool, Number, std::string, Array, Object> data;
};

struct Member {
  Member(std::string k, Value v) : key(std::move(k)), value(std::move(v)) {}
  std::string key;
  Value value;
};

Value text(std::string_view value);
Value number(std::int64_t value);

// Parses one JSON text of at most 16 MiB and 64 levels. `file` is only used in messages.
// Throws LoadError.
Value parse(std::string_view text, const std::string& file);

// `value` as JSON; a negative indent writes it on one line. Throws UsageError for a string that is
// not UTF-8, which parse() never makes.
std::string dump(const Value& value, int indent);

// A JSON string with its quotes. Throws as dump().
std::string quote(const std::string& text);

}  // namespace qe::json
