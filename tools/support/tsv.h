// Tab-separated tables with a header and no quoting, row by row, and the class labels in them.
// Refuses what cannot be meant: text that is not UTF-8, a column given twice, rows with more or
// fewer fields than the header, labels that the model does not have.
#pragma once

#include <cstddef>
#include <istream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/support/line_reader.h"

namespace qe::tools {

// The fields of a line; at least one.
std::vector<std::string> split(const std::string& line, char separator);

// At most twelve names with commas between, for messages.
std::string joined(const std::vector<std::string>& names);

// The class of a label: its place among the names, or else the index that it spells; nothing if it
// is neither.
std::optional<int> find_label(const std::vector<std::string>& labels, const std::string& name);

class TsvReader {
 public:
  // Reads the header. `file` is for messages; the stream must outlive the reader. Throws DataError.
  TsvReader(std::istream& stream, std::string file);

  // Place of a column. Throws DataError if the header has it twice; require, if it has it not.
  std::optional<std::size_t> find(std::string_view name) const;
  std::size_t require(std::string_view name) const;

  // The next line; false at the end. Throws DataError (above the length limit), IoError.
  bool next_line(std::string& line) { return reader_.next(line); }
  // Its fields, one a column. Throws DataError.
  std::vector<std::string> fields(const std::string& line) const;
  // The class that `name` stands for. Throws DataError.
  int label(const std::vector<std::string>& labels, const std::string& name) const;

  const std::string& file() const { return reader_.file(); }
  std::size_t line_number() const { return reader_.number(); }

  // Throws DataError about the current line.
  [[noreturn]] void fail(std::string problem, std::string expected, std::string actual) const;

 private:
  LineReader reader_;
  std::vector<std::string> columns_;
};

}  // namespace qe::tools
