// A label is first looked up as a name, then as a class index.
#include "tools/support/tsv.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include <qe/error.h>

#include "tools/support/text.h"

namespace qe::tools {

std::vector<std::string> split(const std::string& line, char separator) {
  std::vector<std::string> fields;
  std::size_t begin = 0;
  for (std::size_t end = line.find(separator); end != std::string::npos;
       end = line.find(separator, begin)) {
    fields.push_back(line.substr(begin, end - begin));
    begin = end + 1;
  }
  fields.push_back(line.substr(begin));
  return fields;
}

std::string joined(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) {
    text += (i > 0 ? ", " : "") + names[i];
  }
  return names.size() > kShown ? text + ", ..." : text;
}

std::optional<int> find_label(const std::vector<std::string>& labels, const std::string& name) {
  const auto found = std::find(labels.begin(), labels.end(), name);
  if (found != labels.end()) return static_cast<int>(found - labels.begin());
  int index = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, index);
  const bool is_index = error == std::errc{} && stop == end && name.front() != '-';
  if (!is_index || index >= static_cast<int>(labels.size())) return std::nullopt;
  return index;
}

TsvReader::TsvReader(std::istream& stream, std::string file) : reader_(stream, std::move(file)) {
  std::string line;
  if (!reader_.next(line)) {
    throw DataError({.problem = "is empty", .file = reader_.file(), .expected = "a header line"});
  }
  if (!is_utf8(line)) fail("is not UTF-8", "", "");
  columns_ = split(line, '\t');
}

std::optional<std::size_t> TsvReader::find(std::string_view name) const {
  const auto found = std::find(columns_.begin(), columns_.end(), name);
  if (found == columns_.end()) return std::nullopt;
  if (std::find(found + 1, columns_.end(), name) != columns_.end()) {
    fail("a column appears twice", "one column named " + quote(name), "");
  }
  return static_cast<std::size_t>(found - columns_.begin());
}

std::size_t TsvReader::require(std::string_view name) const {
  const auto place = find(name);
  if (!place) fail("missing column", quote(name), joined(columns_));
  return *place;
}

std::vector<std::string> TsvReader::fields(const std::string& line) const {
  if (!is_utf8(line)) fail("is not UTF-8", "", "");
  std::vector<std::string> fields = split(line, '\t');
  if (fields.size() != columns_.size()) {
    fail("wrong number of columns", std::to_string(columns_.size()), std::to_string(fields.size()));
  }
  return fields;
}

int TsvReader::label(const std::vector<std::string>& labels, const std::string& name) const {
  const auto index = find_label(labels, name);
  if (!index) {
    fail("unknown label", joined(labels) + " or 0 to " + std::to_string(labels.size() - 1),
         quote(name));
  }
  return *index;
}

void TsvReader::fail(std::string problem, std::string expected, std::string actual) const {
  throw DataError({.problem = std::move(problem),
                   .file = reader_.file(),
                   .name = "line " + std::to_string(reader_.number()),
                   .expected = std::move(expected),
                   .actual = std::move(actual)});
}

}  // namespace qe::tools
