// Reads variants. A new choice is one line of the table.
#include "tools/bench/variant.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <optional>
#include <vector>

#include <qe/error.h>

#include "tools/support/text.h"

namespace qe::tools {
namespace {

constexpr std::string_view kSwitch = "on|off";
constexpr std::string_view kRows = "ROWS|never";

struct Choice {
  std::string_view name;
  std::string_view values;
  bool GpuOptions::*on_off;
  int GpuOptions::*rows;
};

constexpr std::array kChoices = {
    Choice{"overlap", kSwitch, &GpuOptions::overlap, nullptr},
    Choice{"row-bytes-from", kRows, nullptr, &GpuOptions::row_bytes_from},
    Choice{"byte-heads-from", kRows, nullptr, &GpuOptions::byte_heads_from},
};

std::optional<int> parse_rows(std::string_view text) {
  if (text == "never") return std::numeric_limits<int>::max();
  int rows = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, rows);
  if (error != std::errc{} || stop != end || rows < 1) return std::nullopt;
  return rows;
}

// False if `value` is none of the choice's.
bool choose(const Choice& choice, std::string_view value, GpuOptions& options) {
  if (choice.on_off != nullptr) {
    options.*choice.on_off = value == "on";
    return value == "on" || value == "off";
  }
  const std::optional<int> rows = parse_rows(value);
  if (rows) options.*choice.rows = *rows;
  return rows.has_value();
}

}  // namespace

std::string variant_help() {
  std::string help;
  for (const Choice& choice : kChoices) {
    if (!help.empty()) help += ", ";
    help.append(choice.name).append("=").append(choice.values);
  }
  return help;
}

Variant parse_variant(std::string_view text) {
  Variant variant{.text = std::string(text), .gpu = {}};
  const auto refuse = [&](const std::string& problem) {
    throw UsageError({.problem = problem,
                      .name = "--variant",
                      .expected = "one or more of " + variant_help() + ", each once",
                      .actual = quote(text)});
  };
  std::vector<std::string_view> seen;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view item = text.substr(begin, end - begin);
    begin = end + 1;
    const std::size_t sign = std::min(item.find('='), item.size());
    const std::string_view name = item.substr(0, sign);
    const auto* const choice = std::find_if(
        kChoices.begin(), kChoices.end(), [&](const Choice& known) { return known.name == name; });
    if (choice == kChoices.end()) refuse("names a choice that sessions on a GPU do not have");
    if (std::find(seen.begin(), seen.end(), name) != seen.end()) refuse("names a choice twice");
    seen.push_back(name);
    const std::string_view value = item.substr(std::min(sign + 1, item.size()));
    if (!choose(*choice, value, variant.gpu)) refuse("gives a choice a value it does not have");
  }
  return variant;
}

}  // namespace qe::tools
