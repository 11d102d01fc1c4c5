// Which device a plan runs on, as a user names it: "cpu", "cuda" (the first GPU) or "cuda:1".
// Whether there is such a device is found out when a plan is compiled for it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace qe {

struct DeviceSpec {
  enum class Kind : std::uint8_t { kCpu, kCuda };
  Kind kind = Kind::kCpu;
  int index = 0;  // among the GPUs
};

std::string name(const DeviceSpec& device);  // "cpu", "cuda:0"

// The inverse of name(), with "cuda" for "cuda:0"; nothing for other text.
std::optional<DeviceSpec> parse_device(std::string_view text);

}  // namespace qe
