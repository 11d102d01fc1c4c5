// The one state of a process, and work that is done when somebody waits for it.
#include "tests/cuda/simt/runtime_state.h"

#include <algorithm>
#include <utility>

namespace qe::simt {

State& state() {
  static State all;
  return all;
}

Thread& thread() {
  thread_local Thread one;
  return one;
}

cudaError_t report(cudaError_t error) {
  if (error != cudaSuccess) state().last = error;
  return error;
}

cudaError_t usable() {
  thread().context = state().context;
  return report(state().lost);
}

bool allocation_fails() {
  int& left = state().machine.failing_allocation;
  return left > 0 && --left == 0;
}

std::size_t used_bytes() {
  std::size_t sum = 0;
  for (const auto& [memory, bytes] : state().device_memory) sum += bytes;
  return sum;
}

CUstream_st& stream_of(cudaStream_t stream) {
  return stream == nullptr ? state().default_stream : *stream;
}

bool known(cudaStream_t stream) { return stream == nullptr || state().streams.contains(stream); }

cudaError_t drain(CUstream_st& stream) {
  InOrder order;
  while (!stream.queue.empty() && state().lost == cudaSuccess) {
    const Operation operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    const cudaError_t error =
        order.run(operation, stream.queue.empty() ? nullptr : &stream.queue.front());
    if (error != cudaSuccess) state().lost = error;
  }
  return usable();
}

cudaError_t drain_all() {
  drain(state().default_stream);
  for (CUstream_st* stream : state().streams) drain(*stream);
  return usable();
}

cudaError_t enqueue(cudaStream_t stream, Operation operation) {
  const Lock lock;
  if (!known(stream)) return report(cudaErrorInvalidResourceHandle);
  if (default_stream_barred(stream)) return report(cudaErrorStreamCaptureImplicit);
  if (usable() != cudaSuccess) return state().lost;
  CUstream_st& to = stream_of(stream);
  if (to.captured) {
    // In a graph what overlaps is an edge between two kernels.
    const bool after_kernel = !to.captured->empty() && to.captured->back().is_kernel;
    if (operation.overlaps && !after_kernel) return report(cudaErrorNotSupported);
    to.captured->push_back(std::move(operation));
  } else {
    to.queue.push_back(std::move(operation));
  }
  return cudaSuccess;
}

cudaError_t enqueue(cudaStream_t stream, Work work) {
  return enqueue(stream, Operation{.work = std::move(work), .grid = {}});
}

bool capturing() {
  const auto forbids = [](const CUstream_st* stream) {
    return stream->captured && (stream->mode == cudaStreamCaptureModeGlobal ||
                                stream->capturer == std::this_thread::get_id());
  };
  return std::any_of(state().streams.begin(), state().streams.end(), forbids);
}

bool default_stream_barred(cudaStream_t stream) {
  const auto bars = [](const CUstream_st* other) { return other->captured && other->blocking; };
  return stream == nullptr && std::any_of(state().streams.begin(), state().streams.end(), bars);
}

Machine& machine() { return state().machine; }

int kernels_begun_ahead() { return state().begun_ahead; }

std::size_t allocated_bytes() {
  const Lock lock;
  return used_bytes();
}

int allocated_objects() {
  const Lock lock;
  return static_cast<int>(state().objects.size() + state().device_memory.size() +
                          state().pinned_memory.size());
}

}  // namespace qe::simt
