// Parsing of rows and labels. A label is first looked up as a name, then as a class index.
#include "tools/support/dataset.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "tools/support/text.h"

namespace qe::tools {
namespace {

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

}  // namespace

Dataset::Dataset(std::istream& stream, std::string file, DatasetOptions options)
    : reader_(stream, std::move(file)), options_(std::move(options)) {
  std::string line;
  if (!reader_.next(line)) {
    throw DataError({.problem = "is empty", .file = reader_.file(), .expected = "a header line"});
  }
  if (!is_utf8(line)) fail("is not UTF-8", "", "");
  const std::vector<std::string> names = split(line, '\t');
  columns_ = names.size();
  const auto column = [&](const char* name) -> std::optional<std::size_t> {
    const auto found = std::find(names.begin(), names.end(), name);
    if (found == names.end()) return std::nullopt;
    if (std::find(found + 1, names.end(), name) != names.end()) {
      fail("a column appears twice", "one column named " + quote(name), "");
    }
    return static_cast<std::size_t>(found - names.begin());
  };
  const auto required = [&](const char* name) {
    const auto index = column(name);
    if (!index) {
      fail("missing column", quote(name), joined(names));
    }
    return *index;
  };
  text_column_ = required("text");
  pair_column_ = column("text_pair");
  if (options_.labelled) label_column_ = required("label");
}

bool Dataset::next(Row& row) {
  std::string line;
  while (reader_.next(line)) {
    try {
      parse(line, row);
      return true;
    } catch (const DataError& error) {
      if (options_.on_error == OnError::kFail) throw;
      ++skipped_;
      if (options_.on_skip) options_.on_skip(error);
    }
  }
  return false;
}

void Dataset::parse(const std::string& line, Row& row) const {
  if (!is_utf8(line)) fail("is not UTF-8", "", "");
  std::vector<std::string> fields = split(line, '\t');
  if (fields.size() != columns_) {
    fail("wrong number of columns", std::to_string(columns_), std::to_string(fields.size()));
  }
  row.line = reader_.number();
  row.labels = label_column_ ? parse_labels(fields[*label_column_]) : std::vector<int>{};
  row.pair.reset();
  if (pair_column_) row.pair = std::move(fields[*pair_column_]);
  row.text = std::move(fields[text_column_]);
}

std::vector<int> Dataset::parse_labels(const std::string& field) const {
  if (!options_.multi_label) return {parse_label(field)};
  std::vector<int> labels;
  if (field.empty()) return labels;
  for (const std::string& name : split(field, ',')) labels.push_back(parse_label(name));
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

int Dataset::parse_label(const std::string& name) const {
  const auto found = std::find(options_.labels.begin(), options_.labels.end(), name);
  if (found != options_.labels.end()) return static_cast<int>(found - options_.labels.begin());
  int index = 0;
  const char* const end = name.data() + name.size();
  const auto [stop, error] = std::from_chars(name.data(), end, index);
  const bool is_index = error == std::errc{} && stop == end && name.front() != '-';
  if (!is_index || index >= static_cast<int>(options_.labels.size())) {
    fail("unknown label",
         joined(options_.labels) + " or 0 to " + std::to_string(options_.labels.size() - 1),
         quote(name));
  }
  return index;
}

void Dataset::fail(std::string problem, std::string expected, std::string actual) const {
  throw DataError({.problem = std::move(problem),
                   .file = reader_.file(),
                   .name = "line " + std::to_string(reader_.number()),
                   .expected = std::move(expected),
                   .actual = std::move(actual)});
}

}  // namespace qe::tools
