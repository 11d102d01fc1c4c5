// Fingerprints of input files, to tell which inputs a directory was made from. Not cryptographic.
#pragma once

#include <filesystem>
#include <string>

namespace qe {

// "xxh64:" and 16 hexadecimal digits (XXH64, seed 0) of the file's bytes. Throws LoadError,
// IoError.
std::string hash_file(const std::filesystem::path& file);

}  // namespace qe
