// Allocation with typed errors.
#include "engine/backends/cuda/memory.h"

#include <string>

#include <qe/error.h>

#include "engine/backends/cuda/device_checks.h"
#include "engine/backends/cuda/runtime.h"

namespace qe::cuda {

NothrowScope::NothrowScope(int device) noexcept {
  int current = 0;
  if (cudaGetDevice(&current) != cudaSuccess) return;
  static_cast<void>(cudaSetDevice(device));  // as DeviceScope; a failed device may say so here
  if (current != device) previous_ = current;
}

NothrowScope::~NothrowScope() {
  if (previous_ >= 0) static_cast<void>(cudaSetDevice(previous_));
  // What was released on a failed device must not be found by the next call.
  static_cast<void>(cudaGetLastError());
}

std::size_t free_bytes(int device) {
  const DeviceScope scope(device);
  std::size_t available = 0;
  std::size_t total = 0;
  check(cudaMemGetInfo(&available, &total), "asking for a device's free memory");
  return available;
}

DeviceMemory allocate_device(int device, std::size_t bytes, const char* purpose) {
  const DeviceScope scope(device);
  check_memory(bytes, free_bytes(device), purpose);
  void* memory = nullptr;
  const cudaError_t error = cudaMalloc(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    refuse_memory(bytes, std::to_string(free_bytes(device)) + " bytes free, in pieces", purpose);
  }
  check(error, "allocating memory");
  return {static_cast<std::byte*>(memory), {device}};
}

DeviceMemory allocate_zeroed(int device, std::size_t bytes, const char* purpose) {
  DeviceMemory memory = allocate_device(device, bytes, purpose);
  const DeviceScope scope(device);
  // The default stream would wait for every blocking one, which fails while the caller records one.
  const OwnedStream stream = make_stream(device);
  check(cudaMemsetAsync(memory.get(), 0, bytes, stream.get()), "clearing memory");
  check(cudaStreamSynchronize(stream.get()), "clearing memory");
  return memory;
}

PinnedMemory allocate_pinned(int device, std::size_t bytes, const char* purpose) {
  const DeviceScope scope(device);
  void* memory = nullptr;
  const cudaError_t error = cudaMallocHost(&memory, bytes);
  if (error == cudaErrorMemoryAllocation) {
    static_cast<void>(cudaGetLastError());
    throw ResourceError({.problem = "not enough memory that a GPU can copy from",
                         .name = purpose,
                         .expected = std::to_string(bytes) + " bytes"});
  }
  check(error, "allocating pinned memory");
  return {static_cast<std::byte*>(memory), {device}};
}

OwnedStream make_stream(int device) {
  const DeviceScope scope(device);
  cudaStream_t stream = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking), "making a stream");
  return {stream, {device}};
}

OwnedEvent make_event(int device) {
  const DeviceScope scope(device);
  cudaEvent_t event = nullptr;
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "making an event");
  return {event, {device}};
}

Recording::Recording(int device, cudaStream_t stream) : device_(device), stream_(stream) {
  // Other threads may allocate meanwhile.
  check(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "recording a graph");
}

Recording::~Recording() {
  if (!open_) return;
  cudaGraph_t graph = nullptr;
  static_cast<void>(cudaStreamEndCapture(stream_, &graph));
  const OwnedGraph abandoned(graph, {device_});
  static_cast<void>(cudaGetLastError());
}

ExecutableGraph Recording::finish() {
  open_ = false;
  cudaGraph_t graph = nullptr;
  const cudaError_t error = cudaStreamEndCapture(stream_, &graph);
  const OwnedGraph recorded(graph, {device_});
  check(error, "recording a graph");
  cudaGraphExec_t executable = nullptr;
  check(cudaGraphInstantiate(&executable, graph, 0), "making a graph executable");
  return {executable, {device_}};
}

}  // namespace qe::cuda
