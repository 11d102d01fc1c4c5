// An array that ends exactly where an inaccessible page begins: a kernel that reads or writes one
// element too far faults. The bytes before it are filled with a pattern that can be checked.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>

namespace qe::test {

template <class T>
class GuardedBuffer {
 public:
  explicit GuardedBuffer(std::size_t count) : count_(count) {
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t body = (count * sizeof(T) + kFront + page - 1) / page * page;
    bytes_ = body + page;
    void* base = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) {
      throw std::bad_alloc();
    }
    base_ = static_cast<std::byte*>(base);
    mprotect(base_ + body, page, PROT_NONE);
    std::memset(base_, kPattern, body);
    data_ = reinterpret_cast<T*>(base_ + body - count * sizeof(T));
  }
  ~GuardedBuffer() { munmap(base_, bytes_); }
  GuardedBuffer(const GuardedBuffer&) = delete;
  GuardedBuffer& operator=(const GuardedBuffer&) = delete;

  T* data() { return data_; }
  std::size_t size() const { return count_; }
  T& operator[](std::size_t i) { return data_[i]; }
  std::span<T> span() { return {data_, count_}; }

  // Whether nothing was written in front of the array.
  bool front_intact() const {
    const auto* front = reinterpret_cast<const std::byte*>(data_) - kFront;
    for (std::size_t i = 0; i < kFront; ++i) {
      if (front[i] != std::byte{kPattern}) {
        return false;
      }
    }
    return true;
  }
  bool same_bytes(const GuardedBuffer& other) const {
    return count_ == other.count_ && std::memcmp(data_, other.data_, count_ * sizeof(T)) == 0;
  }

  static constexpr unsigned char kPattern = 0xA5;

 private:
  static constexpr std::size_t kFront = 128;
  std::size_t count_;
  std::size_t bytes_;
  std::byte* base_;
  T* data_;
};

}  // namespace qe::test
