// Labelled texts from a tab-separated file with a header and no quoting: a column `text`,
// optionally `text_pair` and `label`; other columns are ignored. Rows stream: memory does not grow
// with the file. Refuses what cannot be meant: missing columns, unknown labels, text that is not
// UTF-8.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <istream>
#include <optional>
#include <string>
#include <vector>

#include <qe/error.h>

#include "tools/support/tsv.h"

namespace qe::tools {

struct Row {
  std::size_t line = 0;  // in the file, from 1
  std::string text;      // may be empty
  std::optional<std::string> pair;
  std::vector<int> labels;  // one; any number for multi-label data; none for unlabelled data
};

enum class OnError : std::uint8_t { kFail, kSkip };

struct DatasetOptions {
  std::vector<std::string> labels = {};  // names by class index
  bool multi_label = false;              // `label` is a comma list, empty for none
  bool labelled = true;                  // false: a `label` column is not needed and not read
  OnError on_error = OnError::kFail;
  // Under kSkip: told of each row left out.
  std::function<void(const DataError&)> on_skip = {};
};

class Dataset {
 public:
  // Reads the header. `file` is for messages; the stream must outlive the dataset. Throws
  // DataError.
  Dataset(std::istream& stream, std::string file, DatasetOptions options);

  // The next usable row; false at the end. Throws DataError naming the line (unless rows with
  // errors are skipped) and IoError.
  bool next(Row& row);

  bool has_pairs() const { return pair_column_.has_value(); }
  std::size_t skipped() const { return skipped_; }

 private:
  void parse(const std::string& line, Row& row) const;
  std::vector<int> parse_labels(const std::string& field) const;

  TsvReader table_;
  DatasetOptions options_;
  std::size_t text_column_ = 0;
  std::optional<std::size_t> pair_column_;
  std::optional<std::size_t> label_column_;
  std::size_t skipped_ = 0;
};

}  // namespace qe::tools
