// Facts about input files for reports: size and checksum.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace qe::tools {

// XXH64 (seed 0) of bytes that come in pieces.
class Checksum {
 public:
  Checksum();
  ~Checksum();
  Checksum(const Checksum&) = delete;
  Checksum& operator=(const Checksum&) = delete;

  void add(std::span<const std::uint8_t> bytes);
  std::string digits() const;  // 16 hexadecimal ones, of what was added so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct FileInfo {
  std::string path;  // as given, or below the directory as given
  std::uintmax_t bytes = 0;
  std::string xxh64 = {};  // 16 hexadecimal digits, seed 0
};

// Reads the whole file. Throws IoError.
FileInfo describe_file(const std::filesystem::path& file);

// The regular files directly inside a directory, by name; a file alone if `path` is one. Throws
// IoError.
std::vector<FileInfo> describe_files(const std::filesystem::path& path);

// Bytes of the *.safetensors files directly inside a directory; of a file alone if `path` is one.
// Throws IoError.
std::uintmax_t weight_file_bytes(const std::filesystem::path& path);

}  // namespace qe::tools
