// mkdtemp, so that nobody else has the name.
#include "tools/support/temporary_folder.h"

#include <stdlib.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include <qe/error.h>

namespace qe::tools {

TemporaryFolder::TemporaryFolder(const std::string& prefix) {
  std::string name = (std::filesystem::temp_directory_path() / (prefix + "-XXXXXX")).string();
  if (mkdtemp(name.data()) == nullptr) {
    throw IoError({.problem = std::strerror(errno), .file = name});
  }
  path_ = name;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;  // a leftover in the temporary folder is no reason to fail
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace qe::tools
