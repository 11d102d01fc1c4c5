// Calls of the CUDA runtime with their errors thrown.
#pragma once

#include <cuda_runtime_api.h>

namespace qe::cuda {

// Throws DeviceError with `what` was being done and the runtime's own words.
void check(cudaError_t error, const char* what);

// Launches return an error of CUDA or, beyond all of those, a status of cuBLASLt.
inline constexpr int kLibraryStatus = 1'000'000;
// Throws DeviceError likewise, with the status's number.
void check_launch(int error, const char* what);

// Makes `index` the calling thread's device until the end of the scope.
class DeviceScope {
 public:
  explicit DeviceScope(int index);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int index_;
  int previous_ = 0;
};

}  // namespace qe::cuda
