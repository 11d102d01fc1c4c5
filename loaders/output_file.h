// A file that appears whole or not at all: written under a temporary name beside its destination,
// synchronized, renamed. Whatever fails on the way leaves the destination as it was.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "loaders/file.h"

namespace qe {

class OutputFile {
 public:
  // Creates the temporary file. Throws IoError.
  explicit OutputFile(std::filesystem::path destination);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();  // removes the temporary file if commit() was not reached

  void write(std::span<const std::byte> bytes);  // throws IoError
  void write(std::string_view text);
  // Makes the file durable and gives it its name. Throws IoError.
  void commit();

 private:
  // The constructor delegates to this one, so that the destructor cleans up whatever throws later.
  struct Unopened {};
  OutputFile(std::filesystem::path destination, Unopened);

  std::filesystem::path destination_;
  std::string temporary_;
  FileDescriptor fd_;
};

// A whole small file at once. Throws IoError.
void write_text_file(const std::filesystem::path& file, std::string_view text);

// Makes the entries of a directory durable. Throws IoError.
void sync_directory(const std::filesystem::path& directory);

}  // namespace qe
