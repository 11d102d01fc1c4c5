// Whether a driver, a device and its memory are what this build needs: decisions on plain numbers,
// apart from the calls that find them, so that every branch is tested on a machine without a GPU.
#pragma once

#include <cstddef>
#include <string>

namespace qe::cuda {

// The least compute capability that kernels run on.
inline constexpr int kLeastMajor = 8;

// `version`: what the driver supports, 1000 major + 10 minor, 0 where there is no driver. Any
// driver of the same major version will do. Throws DeviceError.
void check_driver(int version, int built_with);

// Throws DeviceError for no devices at all, UsageError for an index beyond them.
void check_index(int index, int count);

// Throws DeviceError.
void check_capability(int index, const std::string& name, int major, int minor);

// Throws ResourceError that says what is needed and `available`.
[[noreturn]] void refuse_memory(std::size_t needed, const std::string& available,
                                const std::string& purpose);

// Throws ResourceError that says both.
void check_memory(std::size_t needed, std::size_t available, const std::string& purpose);

}  // namespace qe::cuda
