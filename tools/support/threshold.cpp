// Parsing and judging of --fail-if.
#include "tools/support/threshold.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include <qe/error.h>

#include "tools/support/table.h"
#include "tools/support/text.h"

namespace qe::tools {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

[[noreturn]] void refuse(std::string_view text, std::string expected) {
  throw UsageError({.problem = "is not a condition",
                    .name = "--fail-if",
                    .expected = std::move(expected),
                    .actual = quote(text)});
}

}  // namespace

Threshold parse_threshold(std::string_view text, std::span<const std::string_view> known) {
  const std::size_t at = text.find_first_of("<>");
  if (at == std::string_view::npos) refuse(text, "such as \"accuracy_drop>0.01\"");
  Threshold result;
  result.text = std::string(text);
  result.figure = std::string(trimmed(text.substr(0, at)));
  const bool or_equal = text.substr(at + 1).starts_with('=');
  result.relation = std::string(text.substr(at, or_equal ? 2 : 1));
  const std::string_view number = trimmed(text.substr(at + result.relation.size()));
  const char* const end = number.data() + number.size();
  const auto [stop, error] = std::from_chars(number.data(), end, result.limit);
  if (error != std::errc{} || stop != end || !std::isfinite(result.limit)) {
    refuse(text, "a number after " + result.relation);
  }
  if (std::find(known.begin(), known.end(), result.figure) == known.end()) {
    std::string names;
    for (const std::string_view name : known)
      names += (names.empty() ? "" : ", ") + std::string(name);
    refuse(text, "one of " + names);
  }
  return result;
}

bool exceeded(const Threshold& threshold, double value) {
  if (std::isnan(value)) return true;
  if (threshold.relation == ">") return value > threshold.limit;
  if (threshold.relation == ">=") return value >= threshold.limit;
  if (threshold.relation == "<") return value < threshold.limit;
  return value <= threshold.limit;
}

std::vector<std::string> failures(std::span<const Threshold> thresholds,
                                  const std::map<std::string, double, std::less<>>& figures) {
  std::vector<std::string> failed;
  for (const Threshold& threshold : thresholds) {
    const auto figure = figures.find(threshold.figure);
    if (figure != figures.end() && exceeded(threshold, figure->second)) {
      failed.push_back(threshold.text + " (" + fixed(figure->second, 6) + ")");
    }
  }
  return failed;
}

}  // namespace qe::tools
