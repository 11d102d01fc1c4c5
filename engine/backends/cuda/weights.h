// The weights of a program in the GPU's memory, one allocation: lowering says what is to lie there
// and gets a place, and once all is known, so that too much can be refused, everything is uploaded.
#pragma once

#include <cstddef>
#include <cstring>
#include <functional>
#include <span>
#include <vector>

#include "engine/backends/cuda/memory.h"

namespace qe::cuda {

// A place among the weights, or none.
struct WeightRef {
  static constexpr std::size_t kNone = static_cast<std::size_t>(-1);
  std::size_t offset = kNone;

  template <class T>
  const T* at(const std::byte* weights) const {
    return offset == kNone ? nullptr : reinterpret_cast<const T*>(weights + offset);
  }
};

class WeightPlan {
 public:
  using Write = std::function<void(std::span<std::byte>)>;

  // `write` makes the bytes when they are uploaded, from zeroed memory.
  WeightRef add(std::size_t bytes, Write write);

  // A copy of the elements; none for none.
  template <class T>
  WeightRef add(std::vector<T> elements) {
    if (elements.empty()) return {};
    const std::size_t bytes = elements.size() * sizeof(T);
    return add(bytes, [elements = std::move(elements)](std::span<std::byte> to) {
      std::memcpy(to.data(), elements.data(), to.size());
    });
  }

  std::size_t bytes() const { return bytes_; }

  // Throws as allocate_device(), and DeviceError.
  DeviceMemory upload(int device) const;

 private:
  struct Piece {
    std::size_t offset;
    std::size_t bytes;
    Write write;
  };
  std::vector<Piece> pieces_;
  std::size_t bytes_ = 0;
};

}  // namespace qe::cuda
