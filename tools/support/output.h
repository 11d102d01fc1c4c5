// Where a tool's result goes: standard output, or the file of --output. Every write is checked, so
// a full disk is an error and never a short file that looks whole.
#pragma once

#include <fstream>
#include <ostream>
#include <string>

namespace qe::tools {

class Output {
 public:
  // An empty path means standard output. Throws IoError if the file cannot be created.
  explicit Output(const std::string& path);

  std::ostream& stream();

  // Flushes; throws IoError if anything written so far did not arrive.
  void flush();

 private:
  std::string path_;
  std::ofstream file_;
};

}  // namespace qe::tools
