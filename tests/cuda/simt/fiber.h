// A function with a stack of its own that can stop in its middle and go on later.
#pragma once

#include <ucontext.h>

#include <csetjmp>
#include <cstddef>
#include <functional>
#include <memory>

#include "tests/cuda/simt/stack_switch.h"

namespace qe::simt {

class Fiber {
 public:
  // `body` must not throw.
  explicit Fiber(std::function<void()> body);
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  // Runs until the body calls suspend() or ends.
  void resume();
  // Called by the body.
  void suspend();
  bool ended() const { return ended_; }

 private:
  static void enter(unsigned low, unsigned high);

  std::function<void()> body_;
  std::unique_ptr<std::byte[]> stack_;
  ucontext_t start_{};
  std::jmp_buf inside_{};
  std::jmp_buf outside_{};
  StackSwitch inside_switch_;
  StackSwitch outside_switch_;
  const void* outside_bottom_ = nullptr;
  std::size_t outside_bytes_ = 0;
  bool started_ = false;
  bool ended_ = false;
};

}  // namespace qe::simt
