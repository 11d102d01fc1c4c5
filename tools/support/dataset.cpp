// Rows of texts and labels out of the table's fields.
#include "tools/support/dataset.h"

#include <algorithm>
#include <utility>

namespace qe::tools {

Dataset::Dataset(std::istream& stream, std::string file, DatasetOptions options)
    : table_(stream, std::move(file)), options_(std::move(options)) {
  text_column_ = table_.require("text");
  pair_column_ = table_.find("text_pair");
  if (options_.labelled) label_column_ = table_.require("label");
}

bool Dataset::next(Row& row) {
  std::string line;
  while (table_.next_line(line)) {
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
  std::vector<std::string> fields = table_.fields(line);
  row.line = table_.line_number();
  row.labels = label_column_ ? parse_labels(fields[*label_column_]) : std::vector<int>{};
  row.pair.reset();
  if (pair_column_) row.pair = std::move(fields[*pair_column_]);
  row.text = std::move(fields[text_column_]);
}

std::vector<int> Dataset::parse_labels(const std::string& field) const {
  if (!options_.multi_label) return {table_.label(options_.labels, field)};
  std::vector<int> labels;
  if (field.empty()) return labels;
  for (const std::string& name : split(field, ',')) {
    labels.push_back(table_.label(options_.labels, name));
  }
  std::sort(labels.begin(), labels.end());
  labels.erase(std::unique(labels.begin(), labels.end()), labels.end());
  return labels;
}

}  // namespace qe::tools
