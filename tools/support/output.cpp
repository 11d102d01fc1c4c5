// Checked output.
#include "tools/support/output.h"

#include <cerrno>
#include <cstring>
#include <iostream>

#include <qe/error.h>

namespace qe::tools {

Output::Output(const std::string& path) : path_(path) {
  if (path_.empty()) return;
  file_.open(path_, std::ios::binary | std::ios::trunc);
  if (!file_) throw IoError({.problem = std::strerror(errno), .file = path_});
}

std::ostream& Output::stream() { return path_.empty() ? std::cout : file_; }

void Output::flush() {
  stream().flush();
  if (!stream()) {
    throw IoError({.problem = "cannot write (disk full?)",
                   .file = path_.empty() ? "standard output" : path_});
  }
}

}  // namespace qe::tools
