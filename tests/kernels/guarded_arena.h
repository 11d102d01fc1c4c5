// Memory between two inaccessible pages, handed out again and again without a system call: an array
// lies flush with the page before it or the page behind it, so a kernel that reads or writes one
// element too far on that side faults. On the other side a pattern shows what was written.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <stdexcept>

namespace qe::test {

enum class Side : std::uint8_t { kFront, kBack };

class GuardedArena {
 public:
  explicit GuardedArena(std::size_t capacity) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    body_ = (capacity + kMargin + page - 1) / page * page;
    bytes_ = body_ + 2 * page;
    void* base = mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
      throw std::bad_alloc();
    }
    base_ = static_cast<std::byte*>(base);
    begin_ = base_ + page;
    mprotect(begin_, body_, PROT_READ | PROT_WRITE);
  }
  ~GuardedArena() { munmap(base_, bytes_); }
  GuardedArena(const GuardedArena&) = delete;
  GuardedArena& operator=(const GuardedArena&) = delete;

  // An array full of the pattern. What was placed before is lost.
  template <class T>
  std::span<T> place(std::size_t count, Side side) {
    used_ = count * sizeof(T);
    if (used_ + kMargin > body_) {
      throw std::length_error("GuardedArena: too small");
    }
    side_ = side;
    data_ = side == Side::kFront ? begin_ : begin_ + body_ - used_;
    std::memset(side == Side::kFront ? data_ : data_ - kMargin, kPattern, used_ + kMargin);
    return {reinterpret_cast<T*>(data_), count};
  }
  // Whether nothing was written beside the array on its open side.
  bool margin_intact() const {
    return is_pattern(side_ == Side::kFront ? data_ + used_ : data_ - kMargin, kMargin);
  }

  // Whether so many bytes still hold the pattern.
  static bool is_pattern(const void* memory, std::size_t bytes) {
    const auto* const first = static_cast<const std::byte*>(memory);
    return std::all_of(first, first + bytes, [](std::byte b) { return b == std::byte{kPattern}; });
  }

  static constexpr unsigned char kPattern = 0xA5;

 private:
  static constexpr std::size_t kMargin = 128;
  std::size_t bytes_;
  std::size_t body_;
  std::byte* base_;
  std::byte* begin_;
  std::byte* data_ = nullptr;
  std::size_t used_ = 0;
  Side side_ = Side::kBack;
};

}  // namespace qe::test
