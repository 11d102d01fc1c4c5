// Reading lines without trusting their length.
#include "tools/support/line_reader.h"

#include <utility>

#include <qe/error.h>

namespace qe::tools {

LineReader::LineReader(std::istream& stream, std::string file)
    : stream_(stream), file_(std::move(file)) {}

bool LineReader::next(std::string& line) {
  using Traits = std::char_traits<char>;
  line.clear();
  std::streambuf* const buffer = stream_.rdbuf();
  int byte = buffer->sbumpc();
  if (byte == Traits::eof()) {
    if (stream_.bad()) throw IoError({.problem = "cannot read", .file = file_});
    return false;
  }
  ++number_;
  for (; byte != Traits::eof() && byte != '\n'; byte = buffer->sbumpc()) {
    if (line.size() == kLongestLine) {
      throw DataError({.problem = "line is too long",
                       .file = file_,
                       .name = "line " + std::to_string(number_),
                       .expected = "at most " + std::to_string(kLongestLine) + " bytes"});
    }
    line.push_back(Traits::to_char_type(byte));
  }
  if (!line.empty() && line.back() == '\r') line.pop_back();
  if (number_ == 1 && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
  return true;
}

}  // namespace qe::tools
