// opendir, readdir, unlinkat.
#include "loaders/directory_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string_view>

#include "loaders/file.h"

namespace qe {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

// The directory `name` below the open directory `parent`; null if it is none.
DirectoryStream open_below(int parent, const char* name) noexcept {
  const int fd = ::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0) return nullptr;
  DIR* stream = ::fdopendir(fd);
  if (stream == nullptr) ::close(fd);
  return DirectoryStream(stream);
}

bool is_dots(std::string_view name) { return name == "." || name == ".."; }

void remove_contents(DIR* directory) noexcept {
  const int fd = ::dirfd(directory);
  while (const dirent* entry = ::readdir(directory)) {
    if (is_dots(entry->d_name) || ::unlinkat(fd, entry->d_name, 0) == 0) continue;
    if (const DirectoryStream inner = open_below(fd, entry->d_name)) remove_contents(inner.get());
    ::unlinkat(fd, entry->d_name, AT_REMOVEDIR);
  }
}

}  // namespace

std::vector<std::string> list_directory(const std::filesystem::path& directory) {
  const DirectoryStream stream(::opendir(directory.c_str()));
  if (!stream) throw_io_error("cannot list the directory", directory, errno);
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(stream.get())) {
    if (!is_dots(entry->d_name)) names.emplace_back(entry->d_name);
  }
  return names;
}

void remove_tree(const std::string& directory) noexcept {
  if (const DirectoryStream stream = open_below(AT_FDCWD, directory.c_str())) {
    remove_contents(stream.get());
  }
  ::rmdir(directory.c_str());
}

}  // namespace qe
