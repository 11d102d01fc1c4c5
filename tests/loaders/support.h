// Helpers of the loader tests: a temporary directory, small files, hand-made safetensors images and
// capture of the error that a call throws.
#pragma once

#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <qe/error.h>
#include <qe/tensor.h>

namespace qe::test {

namespace fs = std::filesystem;

class TempDir {
 public:
  TempDir() {
    // In memory where possible: these tests synchronize thousands of files.
    const fs::path memory = "/dev/shm";
    const fs::path root = ::access(memory.c_str(), W_OK) == 0 ? memory : fs::temp_directory_path();
    std::string pattern = root / "qe-test-XXXXXX";
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  ~TempDir() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  const fs::path& path() const { return path_; }
  fs::path operator/(const fs::path& name) const { return path_ / name; }

 private:
  fs::path path_;
};

inline void write_file(const fs::path& file, const std::string& bytes) {
  std::ofstream out(file, std::ios::binary | std::ios::trunc);
  out << bytes;
  out.close();
  REQUIRE(out.good());
}

inline std::string read_file(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  REQUIRE(in.good());
  return {std::istreambuf_iterator<char>(in), {}};
}

// Contents of every regular file below `directory`, by relative path.
inline std::vector<std::pair<std::string, std::string>> read_tree(const fs::path& directory) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const auto& entry : fs::recursive_directory_iterator(directory)) {
    if (entry.is_regular_file()) {
      files.emplace_back(entry.path().lexically_relative(directory), read_file(entry.path()));
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

// A safetensors image from its header text and payload.
inline std::string image(const std::string& header, const std::string& payload) {
  const std::uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + payload;
}

// The qe::Error of kind E that `call` throws. Anything else fails the test.
template <typename E, typename Call>
ErrorDetail error_of(Call call) {
  try {
    call();
  } catch (const E& error) {
    CHECK(std::string(error.what()).size() > 0);
    return error.detail();
  } catch (const std::exception& error) {
    FAIL("another error: " << error.what());
  }
  FAIL("nothing was thrown");
  return {};
}

// Directory of the shared models and data, if this machine has it.
inline std::optional<fs::path> shared_data(const std::string& name) {
  const char* root = std::getenv("QE_DATA_DIR");
  const fs::path path =
      (root != nullptr ? fs::path(root) : fs::path(QE_SOURCE_DIR) / ".." / "shared") / name;
  if (fs::exists(path)) return path;
  MESSAGE("skipped: " << path.string() << " is not here");
  return std::nullopt;
}

// A tensor of any type with reproducible random bytes.
inline Tensor random_tensor(DType dtype, Shape shape, std::uint64_t seed) {
  const auto bits = static_cast<std::size_t>(element_count(shape)) * bit_width(dtype);
  std::vector<std::uint8_t> bytes(bits / 8);
  std::mt19937_64 random(seed);
  for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>(random());
  Tensor tensor = make_tensor<std::uint8_t>({static_cast<std::int64_t>(bytes.size())}, bytes);
  tensor.dtype = dtype;
  tensor.shape = std::move(shape);
  return tensor;
}

inline bool same(const Tensor& a, const Tensor& b) {
  return a.dtype == b.dtype && a.shape == b.shape &&
         std::equal(a.bytes.begin(), a.bytes.end(), b.bytes.begin(), b.bytes.end());
}

}  // namespace qe::test
