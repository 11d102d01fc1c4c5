// Turns what the standard library throws into the errors of this project, at the public functions.
#pragma once

#include <filesystem>
#include <new>

#include <qe/error.h>

namespace qe {

// What `call` returns. std::bad_alloc becomes ResourceError, std::filesystem errors IoError, both
// naming `where`.
template <typename Call>
auto with_typed_errors(const std::filesystem::path& where, Call call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    throw ResourceError({.problem = "not enough memory", .file = where.string()});
  } catch (const std::filesystem::filesystem_error& error) {
    throw IoError({.problem = "file system refused",
                   .file = where.string(),
                   .actual = error.code().message()});
  }
}

}  // namespace qe
