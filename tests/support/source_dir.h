// Where tests find the models and data of the repository.
#pragma once

#include <cstdlib>
#include <string>

namespace qe::test {

// `path` is relative to the repository's root, or to the folder that the environment's
// QE_SOURCE_DIR names: a program that was carried to another machine finds copies there
// (bench/h200.sh).
inline std::string source_path(const std::string& path) {
  const char* const copies = std::getenv("QE_SOURCE_DIR");
  return std::string(copies != nullptr ? copies : QE_SOURCE_DIR) + "/" + path;
}

}  // namespace qe::test
