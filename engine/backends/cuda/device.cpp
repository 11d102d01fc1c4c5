// What the CUDA runtime knows of the machine.
#include <qe/cuda/device.h>

#include <string>

#include <qe/error.h>

#include "engine/backends/cuda/device_checks.h"
#include "engine/backends/cuda/memory.h"
#include "engine/backends/cuda/runtime.h"

namespace qe::cuda {
namespace {

int device_count() {
  int version = 0;
  check(cudaDriverGetVersion(&version), "asking for the driver's version");
  check_driver(version, CUDART_VERSION);
  int count = 0;
  const cudaError_t error = cudaGetDeviceCount(&count);
  if (error == cudaErrorNoDevice) {
    static_cast<void>(cudaGetLastError());
    return 0;
  }
  check(error, "counting devices");
  return count;
}

Device describe(int index) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, index), "asking for a device's properties");
  Device device{.index = index,
                .name = properties.name,
                .major = properties.major,
                .minor = properties.minor,
                .multiprocessors = properties.multiProcessorCount,
                .memory_bytes = properties.totalGlobalMem,
                .usable = properties.major >= kLeastMajor};
  int khz = 0;
  check(cudaDeviceGetAttribute(&khz, cudaDevAttrClockRate, index), "asking for a device's clock");
  device.max_clock_mhz = khz / 1000;
  const DeviceScope scope(index);
  std::size_t total = 0;
  check(cudaMemGetInfo(&device.free_bytes, &total), "asking for a device's free memory");
  return device;
}

std::string error_text(cudaError_t error) {
  return std::string(cudaGetErrorName(error)) + ": " + cudaGetErrorString(error);
}

// Another GPU must not be reset where a failed one could not be chosen.
bool is_current(int index) {
  int current = index;
  static_cast<void>(cudaGetDevice(&current));
  return current == index;
}

// The failure may be the answer to every call up to the reset, and to the reset itself: only a
// harmless call after it tells.
cudaError_t reset_current() {
  static_cast<void>(cudaDeviceReset());
  static_cast<void>(cudaGetLastError());
  const cudaError_t error = cudaFree(nullptr);
  if (error != cudaSuccess) static_cast<void>(cudaGetLastError());
  return error;
}

}  // namespace

void check(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  // Otherwise an error that does not outlive its call would be found again by the next one.
  static_cast<void>(cudaGetLastError());
  throw DeviceError(
      {.problem = std::string(what) + " failed on the GPU", .actual = error_text(error)});
}

void check_launch(int error, const char* what) {
  if (error < kLibraryStatus) return check(static_cast<cudaError_t>(error), what);
  static_cast<void>(cudaGetLastError());  // the library may have left one
  throw DeviceError({.problem = std::string(what) + " failed on the GPU",
                     .actual = "cuBLASLt's status " + std::to_string(error - kLibraryStatus)});
}

DeviceScope::DeviceScope(int index) : index_(index) {
  check(cudaGetDevice(&previous_), "asking for the current device");
  // Also where it is the current one already: a thread that is new to CUDA has no context before,
  // and functions of the driver need one.
  check(cudaSetDevice(index_), "choosing the device");
}

DeviceScope::~DeviceScope() {
  if (previous_ != index_) static_cast<void>(cudaSetDevice(previous_));
}

bool built() noexcept { return true; }

std::vector<Device> devices() {
  const int count = device_count();
  check_index(0, count);
  std::vector<Device> all;
  all.reserve(static_cast<std::size_t>(count));
  for (int index = 0; index < count; ++index) all.push_back(describe(index));
  return all;
}

Device usable_device(int index) {
  check_index(index, device_count());
  Device device = describe(index);
  check_capability(index, device.name, device.major, device.minor);
  return device;
}

void synchronize(Stream stream) { check(cudaStreamSynchronize(stream), "work in a stream"); }

void reset_device(int index) {
  const NothrowScope scope(index);
  const cudaError_t error = is_current(index) ? reset_current() : cudaErrorInvalidDevice;
  if (error == cudaSuccess) return;
  // A machine without this GPU hears usable_device()'s words.
  if (error == cudaErrorInvalidDevice || error == cudaErrorNoDevice ||
      error == cudaErrorInsufficientDriver) {
    check_index(index, device_count());
  }
  throw DeviceError({.problem = "the GPU cannot be used again in this process",
                     .name = "device " + std::to_string(index),
                     .expected = "the process to be started again",
                     .actual = error_text(error)});
}

}  // namespace qe::cuda
