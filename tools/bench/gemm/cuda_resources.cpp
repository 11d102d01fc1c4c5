// See cuda_resources.h.
#include "tools/bench/gemm/cuda_resources.h"

#include <string>
#include <utility>

#include <qe/error.h>

namespace qe::tools {

void check_cuda(int error, const char* what) {
  if (error == cudaSuccess) return;
  static_cast<void>(cudaGetLastError());
  throw DeviceError({.problem = std::string(what) + " failed on the GPU",
                     .actual = cudaGetErrorString(static_cast<cudaError_t>(error))});
}

DeviceMemory::DeviceMemory(std::size_t bytes) {
  std::size_t available = 0;
  std::size_t total = 0;
  check_cuda(cudaMemGetInfo(&available, &total), "asking for free memory");
  if (bytes > available) {
    throw ResourceError({.problem = "not enough GPU memory",
                         .name = "operands",
                         .expected = std::to_string(bytes) + " bytes",
                         .actual = std::to_string(available) + " bytes free"});
  }
  check_cuda(cudaMalloc(&memory_, bytes), "allocating memory");
}

DeviceMemory::~DeviceMemory() { static_cast<void>(cudaFree(memory_)); }

DeviceMemory::DeviceMemory(DeviceMemory&& other) noexcept
    : memory_(std::exchange(other.memory_, nullptr)) {}

DeviceMemory& DeviceMemory::operator=(DeviceMemory&& other) noexcept {
  std::swap(memory_, other.memory_);
  return *this;
}

DeviceStream::DeviceStream() { check_cuda(cudaStreamCreate(&stream_), "making a stream"); }
DeviceStream::~DeviceStream() { static_cast<void>(cudaStreamDestroy(stream_)); }

Replay::Replay(const DeviceStream& stream, int launches, const std::function<void()>& record)
    : stream_(stream.get()), launches_(launches) {
  check_cuda(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal), "recording");
  cudaGraph_t graph = nullptr;
  try {
    record();
  } catch (...) {
    static_cast<void>(cudaStreamEndCapture(stream_, &graph));
    if (graph != nullptr) static_cast<void>(cudaGraphDestroy(graph));
    static_cast<void>(cudaGetLastError());  // the next call must not find it
    throw;
  }
  check_cuda(cudaStreamEndCapture(stream_, &graph), "recording");
  const cudaError_t error = cudaGraphInstantiate(&graph_, graph, 0);
  static_cast<void>(cudaGraphDestroy(graph));
  check_cuda(error, "recording");
  check_cuda(cudaEventCreate(&begin_), "making an event");
  check_cuda(cudaEventCreate(&end_), "making an event");
}

Replay::~Replay() {
  if (graph_ != nullptr) static_cast<void>(cudaGraphExecDestroy(graph_));
  if (begin_ != nullptr) static_cast<void>(cudaEventDestroy(begin_));
  if (end_ != nullptr) static_cast<void>(cudaEventDestroy(end_));
}

void Replay::enqueue() const { check_cuda(cudaGraphLaunch(graph_, stream_), "replaying"); }

double Replay::timed() const {
  // The GPU has work until the timed replay is in the stream: what the host takes to launch a graph
  // would otherwise lie between the events.
  enqueue();
  check_cuda(cudaEventRecord(begin_, stream_), "timing");
  enqueue();
  check_cuda(cudaEventRecord(end_, stream_), "timing");
  check_cuda(cudaEventSynchronize(end_), "a timed product");
  float ms = 0.0F;
  check_cuda(cudaEventElapsedTime(&ms, begin_, end_), "timing");
  return 1e3 * static_cast<double>(ms) / launches_;
}

}  // namespace qe::tools
