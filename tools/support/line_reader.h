// Lines of a text stream, one at a time and in bounded memory. Accepts LF and CRLF, a byte order
// mark before the first line and a last line without an end.
#pragma once

#include <cstddef>
#include <istream>
#include <string>

namespace qe::tools {

class LineReader {
 public:
  static constexpr std::size_t kLongestLine = std::size_t{64} << 20;

  // `file` is for messages. The stream must outlive the reader.
  LineReader(std::istream& stream, std::string file);

  // The next line without its end; false at the end of the stream. Throws IoError if reading fails
  // and DataError if a line is longer than kLongestLine bytes.
  bool next(std::string& line);

  std::size_t number() const { return number_; }  // of the line last returned, from 1
  const std::string& file() const { return file_; }

 private:
  std::istream& stream_;
  std::string file_;
  std::size_t number_ = 0;
};

}  // namespace qe::tools
