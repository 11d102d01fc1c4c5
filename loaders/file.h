// Read-only access to untrusted files: whole files mapped or read into memory, and small texts with
// a size cap. Only regular files are opened; nothing here follows a reference found inside a file.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <qe/tensor.h>

namespace qe {

// Throws IoError about `file` from the value of errno `code`.
[[noreturn]] void throw_io_error(std::string problem, const std::filesystem::path& file, int code);

// Owns a file descriptor.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor();
  int get() const noexcept { return fd_; }
  // Closes now and reports what close() returned; an error may mean lost data.
  int close() noexcept;

 private:
  int fd_;
};

// The bytes of a whole file, page-aligned. A mapped file must not be truncated by another process
// while in use (the system answers with SIGBUS); use_mmap = false reads a private copy instead.
class FileImage final : public TensorStorage {
 public:
  // Throws LoadError if the file is missing or not a regular file, IoError if it cannot be read,
  // ResourceError if there is no memory for it.
  static std::shared_ptr<const FileImage> open(const std::filesystem::path& file, bool use_mmap);
  ~FileImage() override;

  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // Gives the pages that hold `bytes` back if the file is mapped; they are read again on demand.
  void release(std::span<const std::byte> bytes) const noexcept override;

 private:
  FileImage() = default;
  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  bool mapped_from_file_ = false;
};

// The whole file as a string. Throws as FileImage::open, and LoadError above `max_bytes`.
std::string read_text_file(const std::filesystem::path& file, std::size_t max_bytes);

// Path of the file `name` of a model directory, or nothing if there is none. Throws LoadError if
// `name` is not a plain file name, or if it is a symbolic link that leads out of the directory. The
// blob store beside a snapshot of the Hugging Face cache counts as inside.
std::optional<std::filesystem::path> find_in_directory(const std::filesystem::path& directory,
                                                       std::string_view name);

}  // namespace qe
