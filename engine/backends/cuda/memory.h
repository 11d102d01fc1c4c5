// Owners of what the CUDA runtime hands out. Each gives it back on its own device, whatever device
// is current, and none throws while doing so: a device that failed has lost it already.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <memory>

namespace qe::cuda {

class NothrowScope {
 public:
  explicit NothrowScope(int device) noexcept;
  ~NothrowScope();
  NothrowScope(const NothrowScope&) = delete;
  NothrowScope& operator=(const NothrowScope&) = delete;

 private:
  int previous_ = -1;  // -1: nothing to go back to
};

template <auto kRelease>
struct Release {
  int device = 0;

  template <class Resource>
  void operator()(Resource* resource) const noexcept {
    const NothrowScope scope(device);
    static_cast<void>(kRelease(resource));
  }
};

template <class Resource, auto kRelease>
using Owned = std::unique_ptr<Resource, Release<kRelease>>;

using DeviceMemory = Owned<std::byte, &cudaFree>;
using PinnedMemory = Owned<std::byte, &cudaFreeHost>;
using OwnedStream = Owned<CUstream_st, &cudaStreamDestroy>;
using OwnedEvent = Owned<CUevent_st, &cudaEventDestroy>;
using OwnedGraph = Owned<CUgraph_st, &cudaGraphDestroy>;
using ExecutableGraph = Owned<CUgraphExec_st, &cudaGraphExecDestroy>;

// All of these throw DeviceError. Memory throws ResourceError with the needed and, of the GPU's,
// the free bytes.
std::size_t free_bytes(int device);
DeviceMemory allocate_device(int device, std::size_t bytes, const char* purpose);
DeviceMemory allocate_zeroed(int device, std::size_t bytes, const char* purpose);  // for any stream
PinnedMemory allocate_pinned(int device, std::size_t bytes, const char* purpose);
OwnedStream make_stream(int device);  // does not wait for the default stream
OwnedEvent make_event(int device);    // without a time

// Records what is enqueued in a stream from here to finish(). Left without it, as by an exception,
// the record is thrown away and the stream is usable again.
class Recording {
 public:
  // `stream` belongs to `device`, which is current.
  Recording(int device, cudaStream_t stream);
  ~Recording();
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  ExecutableGraph finish();

 private:
  int device_;
  cudaStream_t stream_;
  bool open_ = true;
};

}  // namespace qe::cuda
