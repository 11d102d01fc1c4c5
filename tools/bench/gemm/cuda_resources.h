// What measurements own on a GPU: memory, a stream, events and recorded sequences of launches.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <functional>

namespace qe::tools {

// Throws DeviceError with `what` was being done.
void check_cuda(int error, const char* what);

class DeviceMemory {
 public:
  DeviceMemory() = default;
  // Throws ResourceError with needed and free bytes, before it allocates.
  explicit DeviceMemory(std::size_t bytes);
  ~DeviceMemory();
  DeviceMemory(DeviceMemory&& other) noexcept;
  DeviceMemory& operator=(DeviceMemory&& other) noexcept;

  std::byte* data() const { return static_cast<std::byte*>(memory_); }
  template <class T>
  T* as() const {
    return static_cast<T*>(memory_);
  }

 private:
  void* memory_ = nullptr;
};

class DeviceStream {
 public:
  DeviceStream();
  ~DeviceStream();
  DeviceStream(const DeviceStream&) = delete;
  DeviceStream& operator=(const DeviceStream&) = delete;

  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// A sequence of launches, recorded once and replayed without the host's cost of each.
class Replay {
 public:
  // `record` enqueues `launches` products in the stream.
  Replay(const DeviceStream& stream, int launches, const std::function<void()>& record);
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  void enqueue() const;
  // Microseconds of one product: one replay between two events, directly behind another.
  double timed() const;

 private:
  cudaStream_t stream_;
  int launches_;
  cudaGraphExec_t graph_ = nullptr;
  cudaEvent_t begin_ = nullptr;
  cudaEvent_t end_ = nullptr;
};

}  // namespace qe::tools
