// The device that the stand-in pretends to have, its errors, and the driver's tensor maps.
#include <cuda.h>

#include <cstdlib>
#include <cstring>

#include "tests/cuda/simt/runtime_state.h"

using namespace qe::simt;  // NOLINT(google-build-using-namespace): of this stand-in

namespace {

CUresult encode_tensor_map(CUtensorMap* map, CUtensorMapDataType, cuuint32_t rank, void* base,
                           const cuuint64_t* sizes, const cuuint64_t* strides,
                           const cuuint32_t* box, const cuuint32_t* steps, CUtensorMapInterleave,
                           CUtensorMapSwizzle swizzle, CUtensorMapL2promotion,
                           CUtensorMapFloatOOBfill) {
  const Lock lock;
  if (thread().context != state().context) return CUDA_ERROR_INVALID_CONTEXT;
  const bool right = rank == 2 && reinterpret_cast<std::uintptr_t>(base) % 16 == 0 &&
                     strides[0] % 16 == 0 && box[0] == 128 && box[1] >= 1 && box[1] <= 256 &&
                     steps[0] == 1 && steps[1] == 1 && swizzle == CU_TENSOR_MAP_SWIZZLE_128B &&
                     sizes[0] > 0 && sizes[1] > 0;
  if (!right) return CUDA_ERROR_INVALID_VALUE;
  *map = {base, sizes[0], sizes[1], strides[0], box[0], box[1]};
  return CUDA_SUCCESS;
}

}  // namespace

cudaError_t cudaDriverGetVersion(int* version) {
  *version = state().machine.driver_version;
  return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int* count) {
  const Lock lock;
  if (state().lost != cudaSuccess) return report(state().lost);
  *count = state().machine.devices;
  return *count == 0 ? report(cudaErrorNoDevice) : cudaSuccess;
}

cudaError_t cudaGetDevice(int* index) {
  *index = thread().device;
  return cudaSuccess;
}

cudaError_t cudaSetDevice(int index) {
  const Lock lock;
  if (index < 0 || index >= state().machine.devices) return report(cudaErrorInvalidDevice);
  thread().device = index;
  return usable();
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

// Memory goes, and so does what streams still had to do. The failure that it ends is its answer.
cudaError_t cudaDeviceReset() {
  const Lock lock;
  State& all = state();
  if (all.machine.devices == 0) return report(cudaErrorNoDevice);
  const cudaError_t found = all.lost;
  if (found != cudaSuccess && all.machine.lost_for_good) return report(found);
  for (const auto& [memory, bytes] : all.device_memory) std::free(memory);
  all.device_memory.clear();
  all.default_stream.queue.clear();
  for (CUstream_st* stream : all.streams) stream->queue.clear();
  all.shared_limits.clear();
  ++all.context;
  all.lost = cudaSuccess;
  return report(found);
}

cudaError_t cudaGetLastError() {
  const Lock lock;
  const cudaError_t error = state().lost != cudaSuccess ? state().lost : state().last;
  state().last = cudaSuccess;
  return error;
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
  if (error == cudaErrorCooperativeLaunchTooLarge) return "too many blocks in cooperative launch";
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
