// Tells AddressSanitizer which stack runs, where it looks on; otherwise nothing.
#pragma once

#include <cstddef>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace qe::simt {

// One side of a switch between stacks: leave() before its jump, arrived() once it goes on.
class StackSwitch {
 public:
  // To the stack of `size` bytes from `bottom` on.
  void leave([[maybe_unused]] const void* bottom, [[maybe_unused]] std::size_t size) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_start_switch_fiber(&saved_, bottom, size);
#endif
  }
  // Gives the stack that was left for this one.
  void arrived([[maybe_unused]] const void** bottom, [[maybe_unused]] std::size_t* size) {
#ifdef __SANITIZE_ADDRESS__
    __sanitizer_finish_switch_fiber(saved_, bottom, size);
#endif
  }

 private:
#ifdef __SANITIZE_ADDRESS__
  void* saved_ = nullptr;
#endif
};

}  // namespace qe::simt
