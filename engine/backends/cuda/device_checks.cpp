// The messages of each refusal.
#include "engine/backends/cuda/device_checks.h"

#include <qe/error.h>

namespace qe::cuda {
namespace {

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

}  // namespace

void check_driver(int version, int built_with) {
  const int needed = built_with / 1000 * 1000;
  if (version == 0) {
    throw DeviceError({.problem = "there is no NVIDIA driver on this machine",
                       .expected = "one for CUDA " + version_text(needed)});
  }
  if (version < needed) {
    throw DeviceError({.problem = "the NVIDIA driver is too old",
                       .expected = "one for CUDA " + version_text(needed) + " or later",
                       .actual = "CUDA " + version_text(version)});
  }
}

void check_index(int index, int count) {
  if (count == 0) throw DeviceError({.problem = "there is no NVIDIA GPU on this machine"});
  if (index < 0 || index >= count) {
    throw UsageError({.problem = "no such GPU",
                      .name = "device",
                      .expected = "0 to " + std::to_string(count - 1),
                      .actual = std::to_string(index)});
  }
}

void check_capability(int index, const std::string& name, int major, int minor) {
  if (major >= kLeastMajor) return;
  throw DeviceError({.problem = "the GPU is too old",
                     .name = "device " + std::to_string(index) + " (" + name + ")",
                     .expected = "compute capability 8.0 or later",
                     .actual = std::to_string(major) + "." + std::to_string(minor)});
}

void refuse_memory(std::size_t needed, const std::string& available, const std::string& purpose) {
  throw ResourceError({.problem = "not enough GPU memory",
                       .name = purpose,
                       .expected = std::to_string(needed) + " bytes",
                       .actual = available});
}

void check_memory(std::size_t needed, std::size_t available, const std::string& purpose) {
  if (needed <= available) return;
  refuse_memory(needed, std::to_string(available) + " bytes free", purpose);
}

}  // namespace qe::cuda
