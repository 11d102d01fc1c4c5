// Listing and removal of directories on plain system calls. The iterators of std::filesystem end
// the process when memory runs out inside them (libstdc++ 12), which a library must not.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace qe {

// Names in a directory without "." and "..", in no particular order. Throws IoError.
std::vector<std::string> list_directory(const std::filesystem::path& directory);

// Removes a directory with all it contains, following no links, as far as the system lets it.
void remove_tree(const std::string& directory) noexcept;

}  // namespace qe
