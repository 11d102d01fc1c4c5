// Opening, mapping and reading of regular files; confinement of names to a directory.
#include "loaders/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <system_error>
#include <utility>

#include <qe/error.h>

namespace qe {
namespace fs = std::filesystem;
namespace {

struct OpenFile {
  FileDescriptor fd;
  std::size_t size;
};

OpenFile open_regular(const fs::path& file) {
  // Non-blocking, so that a pipe in place of a file cannot hang the caller.
  FileDescriptor fd(::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) {
    if (errno == ENOENT) throw LoadError({.problem = "no such file", .file = file.string()});
    throw_io_error("cannot open", file, errno);
  }
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw_io_error("cannot examine", file, errno);
  if (!S_ISREG(status.st_mode)) {
    throw LoadError({.problem = "not a regular file", .file = file.string()});
  }
  return {std::move(fd), static_cast<std::size_t>(status.st_size)};
}

void read_fully(const OpenFile& source, std::byte* out, const fs::path& file) {
  for (std::size_t done = 0; done < source.size;) {
    const ssize_t got = ::read(source.fd.get(), out + done, source.size - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_io_error("cannot read", file, errno);
    if (got == 0) {
      throw LoadError({.problem = "file shrank while being read",
                       .file = file.string(),
                       .expected = std::to_string(source.size) + " bytes",
                       .actual = std::to_string(done) + " bytes"});
    }
    done += static_cast<std::size_t>(got);
  }
}

bool is_inside(const fs::path& directory, const fs::path& target) {
  const fs::path root = fs::canonical(directory);
  if (target.parent_path() == root) return true;
  // Hugging Face cache: models--x/snapshots/REVISION/file is a link to models--x/blobs/HASH.
  return root.parent_path().filename() == "snapshots" &&
         target.parent_path() == root.parent_path().parent_path() / "blobs";
}

}  // namespace

void throw_io_error(std::string problem, const fs::path& file, int code) {
  throw IoError({.problem = std::move(problem),
                 .file = file.string(),
                 .actual = std::generic_category().message(code)});
}

FileDescriptor::FileDescriptor(FileDescriptor&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

FileDescriptor::~FileDescriptor() { close(); }

int FileDescriptor::close() noexcept { return fd_ < 0 ? 0 : ::close(std::exchange(fd_, -1)); }

std::shared_ptr<const FileImage> FileImage::open(const fs::path& file, bool use_mmap) {
  const OpenFile source = open_regular(file);
  std::shared_ptr<FileImage> image(new FileImage);
  if (source.size == 0) return image;
  // Without mapping the file, its copy still lives in a mapping of its own: page-aligned, and
  // returned to the system when the last tensor goes.
  void* address = use_mmap
                      ? ::mmap(nullptr, source.size, PROT_READ, MAP_PRIVATE, source.fd.get(), 0)
                      : ::mmap(nullptr, source.size, PROT_READ | PROT_WRITE,
                               MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (address == MAP_FAILED) {
    if (errno != ENOMEM) throw_io_error("cannot map", file, errno);
    throw ResourceError({.problem = "not enough memory for the file",
                         .file = file.string(),
                         .expected = std::to_string(source.size) + " bytes"});
  }
  image->data_ = static_cast<std::byte*>(address);
  image->size_ = source.size;
  image->mapped_from_file_ = use_mmap;
  if (!use_mmap) read_fully(source, image->data_, file);
  return image;
}

FileImage::~FileImage() {
  if (data_ != nullptr) ::munmap(data_, size_);
}

void FileImage::release(std::span<const std::byte> bytes) const noexcept {
  if (!mapped_from_file_ || bytes.empty()) return;
  if (bytes.data() < data_ || bytes.data() + bytes.size() > data_ + size_) return;
  // Rounded outwards: a neighbour's part of the first and last page is read again from the cache.
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const auto begin = static_cast<std::size_t>(bytes.data() - data_) / page * page;
  const auto end = static_cast<std::size_t>(bytes.data() - data_) + bytes.size();
  ::madvise(data_ + begin, end - begin, MADV_DONTNEED);
}

std::string read_text_file(const fs::path& file, std::size_t max_bytes) {
  const OpenFile source = open_regular(file);
  if (source.size > max_bytes) {
    throw LoadError({.problem = "file is too large",
                     .file = file.string(),
                     .expected = "at most " + std::to_string(max_bytes) + " bytes",
                     .actual = std::to_string(source.size) + " bytes"});
  }
  std::string text(source.size, '\0');
  read_fully(source, std::as_writable_bytes(std::span(text)).data(), file);
  return text;
}

std::optional<fs::path> find_in_directory(const fs::path& directory, std::string_view name) {
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos) {
    throw LoadError({.problem = "not a plain file name",
                     .file = directory.string(),
                     .name = std::string(name),
                     .expected = "a file of the directory itself"});
  }
  const fs::path file = directory / name;
  std::error_code error;
  const fs::file_status status = fs::symlink_status(file, error);
  if (status.type() == fs::file_type::not_found) return std::nullopt;
  if (error) throw_io_error("cannot examine", file, error.value());
  if (status.type() == fs::file_type::symlink) {
    const fs::path target = fs::canonical(file, error);
    if (error) throw LoadError({.problem = "symbolic link to nothing", .file = file.string()});
    if (!is_inside(directory, target)) {
      throw LoadError({.problem = "symbolic link leads out of the model directory",
                       .file = file.string(),
                       .actual = target.string()});
    }
  }
  return file;
}

}  // namespace qe
