// Streams, graphs and memory of the host stand-in for the CUDA runtime.
#include <cuda_runtime_api.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "tests/cuda/simt/grid.h"

#include <cuda.h>

using Operation = std::function<cudaError_t()>;

struct CUstream_st {
  std::deque<Operation> queue;
  std::unique_ptr<std::vector<Operation>> captured;  // set while it captures
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

namespace {

struct State {
  std::recursive_mutex mutex;
  qe::simt::Machine machine;
  std::map<void*, std::size_t> device_memory;
  std::map<void*, std::size_t> pinned_memory;
  std::set<const void*> objects;  // streams, graphs and events
  std::set<CUstream_st*> streams;
  CUstream_st default_stream;
  std::map<const void*, int> shared_limits;
  int device = 0;
  cudaError_t last = cudaSuccess;
  cudaError_t lost = cudaSuccess;  // an error that stays until the device is reset
  std::string lost_because;
  std::uint64_t kernels = 0;
};

State& state() {
  static State all;
  return all;
}

class Lock {
 public:
  Lock() : held_(state().mutex) {}

 private:
  std::lock_guard<std::recursive_mutex> held_;
};

cudaError_t report(cudaError_t error) {
  if (error != cudaSuccess) state().last = error;
  return error;
}

// The error that everything returns once the device is lost.
cudaError_t usable() { return report(state().lost); }

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
  while (!stream.queue.empty() && state().lost == cudaSuccess) {
    const Operation operation = std::move(stream.queue.front());
    stream.queue.pop_front();
    const cudaError_t error = operation();
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
  if (usable() != cudaSuccess) return state().lost;
  CUstream_st& to = stream_of(stream);
  if (to.captured) {
    to.captured->push_back(std::move(operation));
  } else {
    to.queue.push_back(std::move(operation));
  }
  return cudaSuccess;
}

// Waiting and allocating are not allowed while a stream of this process captures.
bool capturing() {
  for (const CUstream_st* stream : state().streams) {
    if (stream->captured) return true;
  }
  return false;
}

cudaError_t allocate(std::map<void*, std::size_t>& memory, void** to, std::size_t bytes) {
  const Lock lock;
  if (usable() != cudaSuccess) return state().lost;
  if (capturing()) return report(cudaErrorStreamCaptureUnsupported);
  const bool device = &memory == &state().device_memory;
  if (allocation_fails() || (device && used_bytes() + bytes > state().machine.memory_bytes)) {
    return report(cudaErrorMemoryAllocation);
  }
  if (bytes == 0) {
    *to = nullptr;
    return cudaSuccess;
  }
  // As the runtime aligns. malloc shows AddressSanitizer where the memory ends.
  *to = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*to, 0xCD, bytes);
  memory[*to] = bytes;
  return cudaSuccess;
}

cudaError_t release(std::map<void*, std::size_t>& memory, void* pointer) {
  const Lock lock;
  if (pointer == nullptr) return cudaSuccess;
  if (memory.erase(pointer) == 0) return report(cudaErrorInvalidValue);
  static_cast<void>(drain_all());
  std::free(pointer);
  return cudaSuccess;
}

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

CUresult encode_tensor_map(CUtensorMap* map, CUtensorMapDataType, cuuint32_t rank, void* base,
                           const cuuint64_t* sizes, const cuuint64_t* strides,
                           const cuuint32_t* box, const cuuint32_t* steps, CUtensorMapInterleave,
                           CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                           CUtensorMapFloatOOBfill) {
  const bool right = rank == 2 && reinterpret_cast<std::uintptr_t>(base) % 16 == 0 &&
                     strides[0] % 16 == 0 && box[0] == 128 && box[1] >= 1 && box[1] <= 256 &&
                     steps[0] == 1 && steps[1] == 1 && swizzle == CU_TENSOR_MAP_SWIZZLE_128B &&
                     sizes[0] > 0 && sizes[1] > 0;
  if (!right) return CUDA_ERROR_INVALID_VALUE;
  *map = {base, sizes[0], sizes[1], strides[0], box[0], box[1]};
  return CUDA_SUCCESS;
}

}  // namespace

namespace qe::simt {

Machine& machine() { return state().machine; }

std::size_t allocated_bytes() {
  const Lock lock;
  return used_bytes();
}

int allocated_objects() {
  const Lock lock;
  return static_cast<int>(state().objects.size() + state().device_memory.size() +
                          state().pinned_memory.size());
}

cudaError_t set_shared_limit(const void* kernel, int bytes) {
  const Lock lock;
  if (usable() != cudaSuccess) return state().lost;
  constexpr int kMost = 227 * 1024;
  if (bytes < 0 || bytes > kMost) return report(cudaErrorInvalidValue);
  state().shared_limits[kernel] = bytes;
  return cudaSuccess;
}

cudaError_t enqueue_work(cudaStream_t stream, std::function<void()> work) {
  return enqueue(stream, [work = std::move(work)] {
    work();
    return cudaSuccess;
  });
}

cudaError_t enqueue_kernel(const cudaLaunchConfig_t& config, const void* kernel,
                           std::function<void()> body) {
  const Lock lock;
  constexpr int kWithoutAsking = 48 * 1024;
  const auto limit = state().shared_limits.find(kernel);
  const int most = limit == state().shared_limits.end() ? kWithoutAsking
                                                        : std::max(kWithoutAsking, limit->second);
  const dim3& grid = config.gridDim;
  const bool right = grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.y < 65536 && grid.z < 65536 &&
                     config.blockDim.x > 0 && config.blockDim.x <= 1024 &&
                     config.dynamicSmemBytes <= static_cast<std::size_t>(most);
  if (!right) return report(cudaErrorInvalidValue);
  GridShape shape{{grid.x, grid.y, grid.z},
                  {config.blockDim.x, config.blockDim.y, config.blockDim.z},
                  1,
                  config.dynamicSmemBytes};
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    shape.cluster = static_cast<int>(config.attrs[i].val.clusterDim.x);
  }
  return enqueue(config.stream, [shape, body = std::move(body)] {
    if (std::exchange(state().machine.lose_next_kernel, false)) {
      state().lost_because = "lost by request";
      return cudaErrorLaunchFailure;
    }
    try {
      run_grid(shape, state().machine.seed + 1000 * ++state().kernels, body);
    } catch (const Failure& failure) {
      state().lost_because = failure.what();
      std::fprintf(stderr, "kernel failed: %s\n", failure.what());
      return cudaErrorLaunchFailure;
    }
    return cudaSuccess;
  });
}

}  // namespace qe::simt

cudaError_t cudaDriverGetVersion(int* version) {
  *version = state().machine.driver_version;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  *count = state().machine.devices;
  return *count == 0 ? report(cudaErrorNoDevice) : cudaSuccess;
}

cudaError_t cudaGetDevice(int* index) {
  *index = state().device;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int index) {
  if (index < 0 || index >= state().machine.devices) return report(cudaErrorInvalidDevice);
  state().device = index;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int index) {
  const qe::simt::Machine& machine = state().machine;
  if (index < 0 || index >= machine.devices) return report(cudaErrorInvalidDevice);
  *properties = {};
  std::strcpy(properties->name, "emulated on the host");
  properties->major = machine.major;
  properties->minor = machine.minor;
  properties->multiProcessorCount = machine.multiprocessors;
  properties->totalGlobalMem = machine.memory_bytes;
  properties->sharedMemPerBlockOptin = 227 * 1024;
  return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  *value = attribute == cudaDevAttrClockRate ? 1'000'000 : 227 * 1024;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(std::size_t* available, std::size_t* total) {
  const Lock lock;
  if (usable() != cudaSuccess) return state().lost;
  *total = state().machine.memory_bytes;
  *available = *total - used_bytes();
  return cudaSuccess;
}

cudaError_t cudaDeviceSynchronize() {
  const Lock lock;
  if (capturing()) return report(cudaErrorStreamCaptureUnsupported);
  return drain_all();
}

// Memory goes, and so does what streams still had to do.
cudaError_t cudaDeviceReset() {
  const Lock lock;
  State& all = state();
  for (const auto& [memory, bytes] : all.device_memory) std::free(memory);
  all.device_memory.clear();
  all.default_stream.queue.clear();
  for (CUstream_st* stream : all.streams) stream->queue.clear();
  all.shared_limits.clear();
  all.lost = cudaSuccess;
  all.last = cudaSuccess;
  return cudaSuccess;
}

cudaError_t cudaGetLastError() {
  const cudaError_t error = state().lost != cudaSuccess ? state().lost : state().last;
  state().last = cudaSuccess;
  return error;
}

cudaError_t cudaPeekAtLastError() {
  return state().lost != cudaSuccess ? state().lost : state().last;
}

const char* cudaGetErrorName(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "cudaSuccess";
    case cudaErrorMemoryAllocation:
      return "cudaErrorMemoryAllocation";
    case cudaErrorLaunchFailure:
      return "cudaErrorLaunchFailure";
    default:
      return "cudaError";
  }
}

const char* cudaGetErrorString(cudaError_t error) {
  if (error == cudaErrorLaunchFailure) return state().lost_because.c_str();
  if (error == cudaErrorMemoryAllocation) return "out of memory";
  return error == cudaSuccess ? "no error" : "an error of the stand-in for the CUDA runtime";
}

cudaError_t cudaGetDriverEntryPointByVersion(const char* symbol, void** function, unsigned,
                                             unsigned long long,
                                             cudaDriverEntryPointQueryResult* found) {
  const bool right = std::strcmp(symbol, "cuTensorMapEncodeTiled") == 0;
  *found = right ? cudaDriverEntryPointSuccess : cudaDriverEntryPointSymbolNotFound;
  *function = right ? reinterpret_cast<void*>(&encode_tensor_map) : nullptr;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, std::size_t bytes) {
  return allocate(state().device_memory, memory, bytes);
}
cudaError_t cudaFree(void* memory) { return release(state().device_memory, memory); }
cudaError_t cudaMallocHost(void** memory, std::size_t bytes) {
  return allocate(state().pinned_memory, memory, bytes);
}
cudaError_t cudaHostAlloc(void** memory, std::size_t bytes, unsigned) {
  return cudaMallocHost(memory, bytes);
}
cudaError_t cudaFreeHost(void* memory) { return release(state().pinned_memory, memory); }

cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  return enqueue(stream, [=] {
    if (bytes > 0) std::memset(to, value, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemset(void* to, int value, std::size_t bytes) {
  const cudaError_t error = cudaMemsetAsync(to, value, bytes, nullptr);
  return error != cudaSuccess ? error : cudaStreamSynchronize(nullptr);
}
cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  return enqueue(stream, [=] {
    if (bytes > 0) std::memcpy(to, from, bytes);
    return cudaSuccess;
  });
}
cudaError_t cudaMemcpy(void* to, const void* from, std::size_t bytes, cudaMemcpyKind kind) {
  const cudaError_t error = cudaMemcpyAsync(to, from, bytes, kind, nullptr);
  return error != cudaSuccess ? error : cudaStreamSynchronize(nullptr);
}

cudaError_t cudaMemcpy2DAsync(void* to, std::size_t to_pitch, const void* from,
                              std::size_t from_pitch, std::size_t width, std::size_t height,
                              cudaMemcpyKind, cudaStream_t stream) {
  return enqueue(stream, [=] {
    for (std::size_t row = 0; row < height; ++row) {
      std::memcpy(static_cast<std::byte*>(to) + row * to_pitch,
                  static_cast<const std::byte*>(from) + row * from_pitch, width);
    }
    return cudaSuccess;
  });
}

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  const Lock lock;
  const cudaError_t error = create(stream);
  if (error == cudaSuccess) state().streams.insert(*stream);
  return error;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  return cudaStreamCreate(stream);
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock;
  if (state().streams.erase(stream) == 0) return report(cudaErrorInvalidResourceHandle);
  static_cast<void>(drain(*stream));
  return destroy(stream);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock;
  if (!known(stream)) return report(cudaErrorInvalidResourceHandle);
  if (capturing()) return report(cudaErrorStreamCaptureUnsupported);
  return drain(stream_of(stream));
}
cudaError_t cudaStreamQuery(cudaStream_t stream) {
  const Lock lock;
  if (!known(stream)) return report(cudaErrorInvalidResourceHandle);
  if (usable() != cudaSuccess) return state().lost;
  return stream_of(stream).queue.empty() ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaStreamIsCapturing(cudaStream_t stream, cudaStreamCaptureStatus* status) {
  const Lock lock;
  *status =
      stream_of(stream).captured ? cudaStreamCaptureStatusActive : cudaStreamCaptureStatusNone;
  return cudaSuccess;
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  const Lock lock;
  if (stream == nullptr || stream->captured) return report(cudaErrorStreamCaptureUnsupported);
  stream->captured = std::make_unique<std::vector<Operation>>();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock;
  if (stream == nullptr || !stream->captured) return report(cudaErrorInvalidValue);
  const std::unique_ptr<std::vector<Operation>> captured = std::move(stream->captured);
  const cudaError_t error = create(graph);
  if (error == cudaSuccess) (*graph)->operations = std::move(*captured);
  return error;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  const Lock lock;
  const cudaError_t error = create(exec);
  if (error == cudaSuccess) (*exec)->operations = graph->operations;
  return error;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return enqueue(stream, [operations = exec->operations] {
    for (const Operation& operation : operations) {
      const cudaError_t error = operation();
      if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
  });
}
cudaError_t cudaGraphUpload(cudaGraphExec_t, cudaStream_t) { return usable(); }
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return destroy(graph); }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return destroy(exec); }

// Waiting for an event does all that its stream holds.
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return create(event); }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock;
  event->recorded_in = &stream_of(stream);
  event->passed = std::make_shared<bool>(false);
  return enqueue(stream, [passed = event->passed] {
    *passed = true;
    return cudaSuccess;
  });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Lock lock;
  if (usable() != cudaSuccess) return state().lost;
  return *event->passed ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock;
  return *event->passed ? usable() : drain(*event->recorded_in);
}
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  CUstream_st* const other = event->recorded_in;
  return enqueue(stream, [other] { return other == nullptr ? cudaSuccess : drain(*other); });
}
cudaError_t cudaEventDestroy(cudaEvent_t event) { return destroy(event); }
