// A fiber begins on its stack by ucontext. From then on jumps go in and out, which unlike
// swapcontext() cost no system call; no frame is ever left for good by one.
#include "tests/cuda/simt/fiber.h"

#include <bit>
#include <cstdint>
#include <utility>

namespace qe::simt {
namespace {

constexpr std::size_t kStackBytes = std::size_t{64} << 10;

}  // namespace

Fiber::Fiber(std::function<void()> body)
    : body_(std::move(body)), stack_(new std::byte[kStackBytes]) {
  getcontext(&start_);
  start_.uc_stack.ss_sp = stack_.get();
  start_.uc_stack.ss_size = kStackBytes;
  start_.uc_link = nullptr;
  const auto self = std::bit_cast<std::uint64_t>(this);
  makecontext(&start_, reinterpret_cast<void (*)()>(&Fiber::enter), 2, static_cast<unsigned>(self),
              static_cast<unsigned>(self >> 32U));
}

void Fiber::resume() {
  if (_setjmp(outside_) != 0) {
    outside_switch_.arrived(nullptr, nullptr);
    return;
  }
  outside_switch_.leave(stack_.get(), kStackBytes);
  if (started_) _longjmp(inside_, 1);
  started_ = true;
  setcontext(&start_);
}

void Fiber::suspend() {
  if (_setjmp(inside_) == 0) {
    inside_switch_.leave(outside_bottom_, outside_bytes_);
    _longjmp(outside_, 1);
  }
  inside_switch_.arrived(&outside_bottom_, &outside_bytes_);
}

void Fiber::enter(unsigned low, unsigned high) {
  auto* const self = std::bit_cast<Fiber*>(std::uint64_t{high} << 32U | low);
  self->inside_switch_.arrived(&self->outside_bottom_, &self->outside_bytes_);
  self->body_();
  self->ended_ = true;
  self->suspend();
}

}  // namespace qe::simt
