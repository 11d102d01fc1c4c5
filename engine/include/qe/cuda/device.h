// NVIDIA GPUs of this machine, in a library built with CUDA. Without it every function here throws
// DeviceError, so that programs need no preprocessor to support both. No header of CUDA is needed:
// Stream is what cudaStream_t is.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

struct CUstream_st;

namespace qe::cuda {

using Stream = CUstream_st*;  // null: the default stream

struct Device {
  int index = 0;
  std::string name = {};
  int major = 0, minor = 0;  // compute capability
  int multiprocessors = 0;
  int max_clock_mhz = 0;
  std::size_t memory_bytes = 0;
  std::size_t free_bytes = 0;  // when asked
  bool usable = false;         // by this build: compute capability 8.0 or later
};

// Whether the library was built with CUDA.
bool built() noexcept;

// All of them. Throws DeviceError: built without CUDA, no driver, driver too old, no GPU.
std::vector<Device> devices();

// Throws DeviceError likewise, for a GPU below 8.0, and UsageError if there is none of this index.
Device usable_device(int index);

// Waits for everything in `stream`, which belongs to the calling thread's current device. An error
// that happened in its middle is thrown here as DeviceError (or by the next call that uses the
// device); the process goes on, but nothing of the device can be used before reset_device().
void synchronize(Stream stream);

// Throws away everything this process has on the device: memory, streams, errors. Before that,
// destroy all that this library and you made there, which works on a failed device, too, and let no
// other thread use it: CUDA defines neither the use nor the release of what a reset took away.
// Throws as usable_device(), and DeviceError where the driver gives a process whose work failed no
// other context: CUDA promises none after an illegal address, say. The process itself goes on, but
// has to be started again to use the GPU.
void reset_device(int index);

}  // namespace qe::cuda
