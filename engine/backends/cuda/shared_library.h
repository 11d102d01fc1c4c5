// A shared library found when it is needed, so that programs start on machines without it.
#pragma once

#include <memory>
#include <string>

namespace qe::cuda {

class SharedLibrary {
 public:
  // Throws DeviceError naming the file.
  explicit SharedLibrary(std::string file);

  // Throws DeviceError naming the file and the function.
  template <class Function>
  void find(Function*& function, const char* symbol) const {
    function = reinterpret_cast<Function*>(address(symbol));
  }

 private:
  struct Close {
    void operator()(void* library) const noexcept;
  };
  void* address(const char* symbol) const;

  std::string file_;
  std::unique_ptr<void, Close> handle_;
};

}  // namespace qe::cuda
