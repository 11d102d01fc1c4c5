// Atomic creation and replacement of a directory.
#include "loaders/staged_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

#include <qe/error.h>

#include "loaders/directory_tree.h"
#include "loaders/output_file.h"

namespace qe {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kRandomCharacters = 6;

// Absolute, without trailing slash; an existing path is resolved, so that a link is replaced at its
// target and not itself.
fs::path normalized(const fs::path& destination) {
  std::error_code error;
  if (fs::exists(destination, error)) return fs::canonical(destination);
  fs::path path = fs::absolute(destination).lexically_normal();
  return path.has_filename() ? path : path.parent_path();
}

std::string temporary_prefix(const fs::path& destination) {
  std::string prefix = ".";
  return prefix.append(destination.filename().string()).append(".partial-");
}

// Locks a directory for as long as the descriptor lives; an empty one if another process holds it.
FileDescriptor try_lock(const fs::path& directory) {
  FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (fd.get() < 0 || ::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return FileDescriptor();
  return fd;
}

void remove_leftovers(const fs::path& destination) {
  const std::string prefix = temporary_prefix(destination);
  for (const std::string& name : list_directory(destination.parent_path())) {
    if (!name.starts_with(prefix) || name.size() != prefix.size() + kRandomCharacters) continue;
    const fs::path leftover = destination.parent_path() / name;
    const FileDescriptor lock = try_lock(leftover);
    if (lock.get() >= 0) remove_tree(leftover.string());
  }
}

bool is_replaceable(const fs::path& directory) {
  std::error_code error;
  return fs::is_directory(directory, error) &&
         (fs::exists(directory / "config.json", error) || list_directory(directory).empty());
}

}  // namespace

StagedDirectory::StagedDirectory(fs::path destination) : destination_(std::move(destination)) {}

StagedDirectory::StagedDirectory(const fs::path& destination, bool replace)
    : StagedDirectory(normalized(destination)) {
  std::error_code error;
  replaces_ = fs::exists(fs::symlink_status(destination_, error));
  if (replaces_ && !replace) {
    throw UsageError({.problem = "output directory exists", .file = destination_.string()});
  }
  if (replaces_ && !is_replaceable(destination_)) {
    throw UsageError({.problem = "existing output is not a model directory and is not replaced",
                      .file = destination_.string(),
                      .expected = "a directory with config.json, or an empty one"});
  }
  fs::create_directories(destination_.parent_path(), error);
  if (error) {
    throw_io_error("cannot create the directory", destination_.parent_path(), error.value());
  }
  remove_leftovers(destination_);
  const fs::path pattern =
      destination_.parent_path() / (temporary_prefix(destination_).append(kRandomCharacters, 'X'));
  std::string name = pattern.string();
  if (::mkdtemp(name.data()) == nullptr) {
    throw_io_error("cannot create a directory beside it", destination_, errno);
  }
  temporary_ = std::move(name);
  lock_ = try_lock(temporary_);
}

StagedDirectory::~StagedDirectory() {
  if (!temporary_.empty()) remove_tree(temporary_);
}

void StagedDirectory::commit() {
  constexpr mode_t kReadableByAll = 0755;  // mkdtemp makes private directories
  if (::chmod(temporary_.c_str(), kReadableByAll) != 0) {
    throw_io_error("cannot set the permissions", destination_, errno);
  }
  sync_directory(temporary_);
  const unsigned int how = replaces_ ? RENAME_EXCHANGE : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, temporary_.c_str(), AT_FDCWD, destination_.c_str(), how) != 0) {
    throw_io_error(replaces_ ? "cannot exchange the old directory for the new one"
                             : "cannot rename the finished directory to this name",
                   destination_, errno);
  }
  sync_directory(destination_.parent_path());
  if (replaces_) {  // the temporary name now holds the old directory
    remove_tree(temporary_);
  }
  temporary_.clear();
}

}  // namespace qe
