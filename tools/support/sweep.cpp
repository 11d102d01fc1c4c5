// Parses sweeps; refuses signs, spaces, empty items and ranges that run backwards.
#include "tools/support/sweep.h"

#include <charconv>
#include <cstdint>

#include <qe/error.h>

#include "tools/support/text.h"

namespace qe::tools {
namespace {

constexpr std::int64_t kLargest = 1'000'000;
constexpr std::size_t kMostValues = 1000;

[[noreturn]] void refuse(std::string_view text, const std::string& flag) {
  throw UsageError({.problem = "is not a list of whole numbers from 1 to 1000000",
                    .name = flag,
                    .expected = "such as 8 or 1,2,4 or 1-8 or 16-512*2 or 32-128+32",
                    .actual = quote(text)});
}

// Takes the number at the front of `rest`; nothing valid there: refuses.
std::int64_t take_number(std::string_view& rest, std::string_view text, const std::string& flag) {
  std::int64_t value = 0;
  const char* const end = rest.data() + rest.size();
  const auto [stop, error] = std::from_chars(rest.data(), end, value);
  if (error != std::errc{} || value < 1 || value > kLargest) refuse(text, flag);
  rest.remove_prefix(static_cast<std::size_t>(stop - rest.data()));
  return value;
}

void append_item(std::string_view item, std::string_view text, const std::string& flag,
                 std::vector<int>& values) {
  std::string_view rest = item;
  const std::int64_t first = take_number(rest, text, flag);
  std::int64_t last = first;
  std::int64_t step = 1;
  bool geometric = false;
  if (!rest.empty()) {
    if (rest.front() != '-') refuse(text, flag);
    rest.remove_prefix(1);
    last = take_number(rest, text, flag);
    if (!rest.empty()) {
      geometric = rest.front() == '*';
      if (!geometric && rest.front() != '+') refuse(text, flag);
      rest.remove_prefix(1);
      step = take_number(rest, text, flag);
    }
  }
  if (!rest.empty() || last < first || (geometric && step < 2)) refuse(text, flag);
  for (std::int64_t value = first; value <= last; value = geometric ? value * step : value + step) {
    if (values.size() == kMostValues) refuse(text, flag);
    values.push_back(static_cast<int>(value));
  }
}

}  // namespace

std::vector<int> parse_sweep(std::string_view text, const std::string& flag) {
  std::vector<int> values;
  std::string_view rest = text;
  while (true) {
    const std::size_t comma = rest.find(',');
    append_item(rest.substr(0, comma), text, flag, values);
    if (comma == std::string_view::npos) return values;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace qe::tools
