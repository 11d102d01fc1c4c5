// Atomic replacement of one file.
#include "loaders/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

namespace qe {
namespace fs = std::filesystem;
namespace {

fs::path directory_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

}  // namespace

OutputFile::OutputFile(fs::path destination, Unopened) : destination_(std::move(destination)) {}

OutputFile::OutputFile(fs::path destination) : OutputFile(std::move(destination), Unopened{}) {
  const std::string name = destination_.filename().string();
  std::string pattern = (directory_of(destination_) / ('.' + name + ".XXXXXX")).string();
  fd_ = FileDescriptor(::mkostemp(pattern.data(), O_CLOEXEC));
  if (fd_.get() < 0) throw_io_error("cannot create a file beside it", destination_, errno);
  temporary_ = std::move(pattern);
}

OutputFile::~OutputFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd_.get(), bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) throw_io_error("cannot write", destination_, errno);
    bytes = bytes.subspan(static_cast<std::size_t>(done));
  }
}

void OutputFile::write(std::string_view text) { write(std::as_bytes(std::span(text))); }

void OutputFile::commit() {
  constexpr mode_t kReadableByAll = 0644;  // mkostemp makes private files
  if (::fchmod(fd_.get(), kReadableByAll) != 0 || ::fsync(fd_.get()) != 0 || fd_.close() != 0) {
    throw_io_error("cannot write", destination_, errno);
  }
  if (::rename(temporary_.c_str(), destination_.c_str()) != 0) {
    throw_io_error("cannot rename a finished file to this name", destination_, errno);
  }
  temporary_.clear();
  sync_directory(directory_of(destination_));
}

void write_text_file(const fs::path& file, std::string_view text) {
  OutputFile out(file);
  out.write(text);
  out.commit();
}

void sync_directory(const fs::path& directory) {
  FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (fd.get() < 0 || ::fsync(fd.get()) != 0) {
    throw_io_error("cannot synchronize the directory", directory, errno);
  }
}

}  // namespace qe
