// A directory that appears whole or not at all: filled under a temporary name beside its
// destination, synchronized, renamed. The temporary one is locked while its writer lives, so that
// leftovers of killed writers can be told from the work of a running one and removed.
#pragma once

#include <filesystem>
#include <string>

#include "loaders/file.h"

namespace qe {

class StagedDirectory {
 public:
  // Removes leftovers and creates the temporary directory. With `replace`, an existing model
  // directory (one with config.json, or empty) may be the destination. Throws UsageError if the
  // destination exists and may not be replaced, IoError.
  StagedDirectory(const std::filesystem::path& destination, bool replace);
  StagedDirectory(const StagedDirectory&) = delete;
  StagedDirectory& operator=(const StagedDirectory&) = delete;
  ~StagedDirectory();  // removes the temporary directory if commit() was not reached

  // Where to put the files; each must be synchronized by its writer (OutputFile does).
  std::filesystem::path path() const { return temporary_; }

  // Gives the directory its name, exchanging it with the old one in one step. Throws IoError.
  void commit();

 private:
  // The constructor delegates to this one, so that the destructor cleans up whatever throws later.
  explicit StagedDirectory(std::filesystem::path destination);

  std::filesystem::path destination_;
  std::string temporary_;
  FileDescriptor lock_;
  bool replaces_ = false;
};

}  // namespace qe
