// AlignedBuffer: 64-byte aligned, zero-filled memory; large buffers ask for huge pages, which
// packed weights and arenas stream through.
#pragma once

#include <cstddef>
#include <memory>

namespace qe {

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  // Throws ResourceError naming `purpose` and the bytes needed.
  AlignedBuffer(std::size_t bytes, const char* purpose);

  std::byte* data() const { return memory_.get(); }
  std::size_t size() const { return size_; }

 private:
  struct Unmap {
    std::size_t bytes;
    void operator()(std::byte* memory) const noexcept;
  };
  std::unique_ptr<std::byte, Unmap> memory_{nullptr, Unmap{0}};
  std::size_t size_ = 0;
};

}  // namespace qe
