// Sizes and XXH64 checksums, read in pieces of constant size.
#include "tools/support/file_info.h"

// The state is a member, which needs its definition.
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <system_error>
#include <vector>

#include <qe/error.h>

namespace qe::tools {
namespace {

namespace fs = std::filesystem;

std::vector<fs::path> regular_files(const fs::path& directory) {
  std::vector<fs::path> files;
  try {
    for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
      if (entry.is_regular_file()) files.push_back(entry.path());
    }
  } catch (const fs::filesystem_error& error) {
    throw IoError({.problem = error.code().message(), .file = directory.string()});
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

struct Checksum::State {
  XXH64_state_t xxh64;
};

Checksum::Checksum() : state_(std::make_unique<State>()) { XXH64_reset(&state_->xxh64, 0); }
Checksum::~Checksum() = default;

void Checksum::add(std::span<const std::uint8_t> bytes) {
  XXH64_update(&state_->xxh64, bytes.data(), bytes.size());
}

std::string Checksum::digits() const {
  char digits[17];
  std::snprintf(digits, sizeof(digits), "%016llx",
                static_cast<unsigned long long>(XXH64_digest(&state_->xxh64)));
  return digits;
}

FileInfo describe_file(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw IoError({.problem = std::strerror(errno), .file = file.string()});
  Checksum checksum;
  FileInfo info{.path = file.string()};
  std::vector<std::uint8_t> piece(std::size_t{1} << 18);
  while (stream) {
    stream.read(reinterpret_cast<char*>(piece.data()), static_cast<std::streamsize>(piece.size()));
    const auto count = static_cast<std::size_t>(stream.gcount());
    checksum.add(std::span(piece).first(count));
    info.bytes += count;
  }
  if (stream.bad()) throw IoError({.problem = "cannot read", .file = file.string()});
  info.xxh64 = checksum.digits();
  return info;
}

std::vector<FileInfo> describe_files(const fs::path& path) {
  std::vector<FileInfo> infos;
  if (!fs::is_directory(path)) {
    infos.push_back(describe_file(path));
    return infos;
  }
  for (const fs::path& file : regular_files(path)) infos.push_back(describe_file(file));
  return infos;
}

std::uintmax_t weight_file_bytes(const fs::path& path) {
  std::error_code error;
  if (!fs::is_directory(path)) {
    const std::uintmax_t size = fs::file_size(path, error);
    if (error) throw IoError({.problem = error.message(), .file = path.string()});
    return size;
  }
  std::uintmax_t bytes = 0;
  for (const fs::path& file : regular_files(path)) {
    if (file.extension() == ".safetensors") bytes += fs::file_size(file);
  }
  return bytes;
}

}  // namespace qe::tools
