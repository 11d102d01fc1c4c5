// A folder of its own under the system's temporary folder, removed with everything in it.
#pragma once

#include <filesystem>
#include <string>

namespace qe::tools {

class TemporaryFolder {
 public:
  // Its name begins with `prefix`. Throws IoError.
  explicit TemporaryFolder(const std::string& prefix);
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace qe::tools
