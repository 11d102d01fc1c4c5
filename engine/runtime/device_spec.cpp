// Names of devices.
#include <qe/device_spec.h>

#include <charconv>

namespace qe {
namespace {

constexpr std::string_view kGpu = "cuda";

}  // namespace

std::string name(const DeviceSpec& device) {
  if (device.kind == DeviceSpec::Kind::kCpu) return "cpu";
  return std::string(kGpu) + ":" + std::to_string(device.index);
}

std::optional<DeviceSpec> parse_device(std::string_view text) {
  if (text == "cpu") return DeviceSpec{};
  if (!text.starts_with(kGpu)) return std::nullopt;
  DeviceSpec device{.kind = DeviceSpec::Kind::kCuda};
  text.remove_prefix(kGpu.size());
  if (text.empty()) return device;
  // Digits alone: from_chars would take a sign.
  if (text.size() < 2 || text[0] != ':' || text[1] < '0' || text[1] > '9') return std::nullopt;
  const auto [end, error] =
      std::from_chars(text.data() + 1, text.data() + text.size(), device.index);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return device;
}

}  // namespace qe
