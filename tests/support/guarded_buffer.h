// Memory for kernel tests that ends at a page nothing may touch: reading or writing one byte beyond
// what a test handed out stops the program. Bytes before it hold a pattern a test can check.
#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

namespace qe::test {

class GuardedBuffer {
 public:
  static constexpr std::size_t kPage = 4096;
  static constexpr std::uint8_t kPattern = 0xA5;

  explicit GuardedBuffer(std::size_t capacity)
      : capacity_((capacity + kPage - 1) / kPage * kPage + kPage) {
    void* memory = mmap(nullptr, capacity_ + kPage, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      throw std::bad_alloc();
    }
    begin_ = static_cast<std::uint8_t*>(memory);
    mprotect(begin_ + capacity_, kPage, PROT_NONE);
  }
  ~GuardedBuffer() { munmap(begin_, capacity_ + kPage); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  // `count` elements of T that end `slack` bytes before the forbidden page; they and the page
  // before them hold the pattern. The next call takes the same memory again.
  template <class T>
  T* take(std::size_t count, std::size_t slack = 0) {
    bytes_ = count * sizeof(T);
    slack_ = slack;
    std::memset(begin_ + capacity_ - slack_ - bytes_ - kMargin, kPattern,
                bytes_ + slack_ + kMargin);
    return reinterpret_cast<T*>(begin_ + capacity_ - slack_ - bytes_);
  }

  // Whether the bytes just before and behind the last taken elements still hold the pattern.
  bool margins_untouched() const {
    const std::uint8_t* data = begin_ + capacity_ - slack_ - bytes_;
    return is_pattern(data - kMargin, kMargin) && is_pattern(data + bytes_, slack_);
  }

  static bool is_pattern(const void* memory, std::size_t bytes) {
    const auto* byte = static_cast<const std::uint8_t*>(memory);
    for (std::size_t i = 0; i < bytes; ++i) {
      if (byte[i] != kPattern) {
        return false;
      }
    }
    return true;
  }

 private:
  static constexpr std::size_t kMargin = 256;

  std::uint8_t* begin_;
  std::size_t capacity_;
  std::size_t bytes_ = 0;
  std::size_t slack_ = 0;
};

}  // namespace qe::test
