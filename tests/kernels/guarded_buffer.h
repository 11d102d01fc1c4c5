// One array that lies flush with an inaccessible page behind it (guarded_arena.h), for as long as
// it lives. Full of the pattern at first.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>

#include "tests/kernels/guarded_arena.h"

namespace qe::test {

template <class T>
class GuardedBuffer {
 public:
  explicit GuardedBuffer(std::size_t count)
      : arena_(count * sizeof(T)), elements_(arena_.place<T>(count, Side::kBack)) {}

  T* data() { return elements_.data(); }
  std::size_t size() const { return elements_.size(); }
  T& operator[](std::size_t i) { return elements_[i]; }
  std::span<T> span() { return elements_; }

  // Whether nothing was written in front of the array.
  bool front_intact() const { return arena_.margin_intact(); }
  bool same_bytes(const GuardedBuffer& other) const {
    return size() == other.size() &&
           std::memcmp(elements_.data(), other.elements_.data(), elements_.size_bytes()) == 0;
  }

 private:
  GuardedArena arena_;
  std::span<T> elements_;
};

}  // namespace qe::test
