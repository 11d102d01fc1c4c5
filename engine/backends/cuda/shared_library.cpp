// The loader's own words go into the errors.
#include "engine/backends/cuda/shared_library.h"

#include <dlfcn.h>

#include <utility>

#include <qe/error.h>

namespace qe::cuda {
namespace {

std::string reason() {
  const char* const text = dlerror();  // NOLINT(concurrency-mt-unsafe): of this thread in glibc
  return text == nullptr ? "no reason given" : text;
}

}  // namespace

// Stays in memory once it is there: what libraries of CUDA leave with the runtime must not dangle.
SharedLibrary::SharedLibrary(std::string file)
    : file_(std::move(file)),
      handle_(dlopen(file_.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE)) {
  if (handle_ == nullptr) {
    throw DeviceError({.problem = "a library that the model needs cannot be loaded",
                       .name = file_,
                       .actual = reason()});
  }
}

void SharedLibrary::Close::operator()(void* library) const noexcept { dlclose(library); }

void* SharedLibrary::address(const char* symbol) const {
  void* const found = dlsym(handle_.get(), symbol);
  if (found == nullptr) {
    throw DeviceError({.problem = "a library lacks a function",
                       .name = file_,
                       .expected = symbol,
                       .actual = reason()});
  }
  return found;
}

}  // namespace qe::cuda
