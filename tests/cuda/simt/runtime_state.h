// What the parts of the stand-in for the CUDA runtime share: streams as lists of work to do, what
// is allocated, what went wrong. One lock is around every call.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/cuda/simt/grid.h"

using Work = std::function<cudaError_t()>;

// What a stream does in its turn: work, or a launch of a kernel, which makes a grid every time.
struct Operation {
  Work work;
  std::function<std::unique_ptr<qe::simt::Grid>()> grid;
  bool is_kernel = false;  // this project's or a library's
  bool overlaps = false;   // may begin before the kernel ahead of it has ended
};

struct CUstream_st {
  std::deque<Operation> queue;
  bool blocking = true;  // waits for the default stream, which waits for it
  std::unique_ptr<std::vector<Operation>> captured;  // set while it captures
  cudaStreamCaptureMode mode = cudaStreamCaptureModeGlobal;
  std::thread::id capturer = {};
};
struct CUgraph_st {
  std::vector<Operation> operations;
};
struct CUgraphExec_st {
  std::vector<Operation> operations;
};
struct CUevent_st {
  CUstream_st* recorded_in = nullptr;
  std::shared_ptr<bool> passed = std::make_shared<bool>(true);  // of the last record
};

namespace qe::simt {

struct State {
  std::recursive_mutex mutex;
  qe::simt::Machine machine;
  std::map<void*, std::size_t> device_memory;
  std::map<void*, std::size_t> pinned_memory;
  std::set<const void*> objects;  // streams, graphs and events
  std::set<CUstream_st*> streams;
  CUstream_st default_stream;
  std::map<const void*, int> shared_limits;
  std::uint64_t context = 1;  // which one the device has: a reset makes another
  cudaError_t last = cudaSuccess;
  cudaError_t lost = cudaSuccess;  // an error that stays until the device is reset
  std::string lost_because;
  std::uint64_t kernels = 0;
  int begun_ahead = 0;
};

State& state();

// Of a thread of the host.
struct Thread {
  int device = 0;
  std::uint64_t context = 0;  // the current one, for the driver's functions; 0: none yet
};

Thread& thread();

class Lock {
 public:
  Lock() : held_(state().mutex) {}

 private:
  std::lock_guard<std::recursive_mutex> held_;
};

// `error`, remembered as the last one.
cudaError_t report(cudaError_t error);
// What calls of the runtime begin with: the context becomes the thread's, and once the device is
// lost everything returns that error.
cudaError_t usable();
// Whether this allocation is the one that is to fail.
bool allocation_fails();
std::size_t used_bytes();

CUstream_st& stream_of(cudaStream_t stream);
bool known(cudaStream_t stream);
// Waiting and allocating are not allowed to a thread that captures, nor to the others unless it
// captures for itself alone.
bool capturing();
// Nothing may use the default stream while a stream captures that waits for it.
bool default_stream_barred(cudaStream_t stream);
cudaError_t drain(CUstream_st& stream);
cudaError_t drain_all();
cudaError_t enqueue(cudaStream_t stream, Operation operation);
cudaError_t enqueue(cudaStream_t stream, Work work);

// Carries out operations in their order.
class InOrder {
 public:
  // A kernel `next` that overlaps begins before `operation`, if that is a kernel.
  cudaError_t run(const Operation& operation, const Operation* next);

 private:
  std::unique_ptr<Grid> begun_;
};

template <class T>
cudaError_t create(T** object) {
  const Lock lock;
  if (usable() != cudaSuccess) return state().lost;
  if (allocation_fails()) return report(cudaErrorMemoryAllocation);
  *object = new T();
  state().objects.insert(*object);
  return cudaSuccess;
}

template <class T>
cudaError_t destroy(T* object) {
  const Lock lock;
  if (state().objects.erase(object) == 0) return report(cudaErrorInvalidResourceHandle);
  delete object;
  return cudaSuccess;
}

}  // namespace qe::simt
