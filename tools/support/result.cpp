// The environment is read from /proc and /sys; what cannot be read there is null.
#include "tools/support/result.h"

#include <sys/utsname.h>

#include <cstdlib>
#include <fstream>
#include <optional>

#include <qe/cuda/device.h>
#include <qe/version.h>

#include "tools/support/cpu_quota.h"
#include "tools/support/file_info.h"
#include "tools/support/table.h"

namespace qe::tools {
namespace {

Json cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) {
      const std::size_t colon = line.find(": ");
      if (colon != std::string::npos) return line.substr(colon + 2);
    }
  }
  return nullptr;
}

std::optional<std::string> governor() {
  std::ifstream file("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor");
  std::string name;
  if (file >> name) return name;
  return std::nullopt;
}

std::optional<double> load_average() {
  double minute = 0.0;
  if (getloadavg(&minute, 1) == 1) return minute;
  return std::nullopt;
}

Json system_name() {
  utsname names = {};
  if (uname(&names) != 0) return nullptr;
  return std::string(names.sysname) + " " + names.release + " " + names.machine;
}

Json gpu_name(const DeviceSpec& device) {
  if (device.kind == DeviceSpec::Kind::kCpu) return nullptr;
  return cuda::usable_device(device.index).name;
}

Json environment(const SharedFlags& flags) {
  Json isas = Json::array();
  for (const Isa isa : available_isas()) isas.push_back(name(isa));
  const auto load = load_average();
  const auto frequency = governor();
  const auto quota = cpu_quota();
  return {{"cpu", cpu_model()},
          {"cpus", cpu_count(std::nullopt)},
          {"cpu_quota", quota ? Json(*quota) : Json(nullptr)},
          {"device", name(flags.device)},
          {"gpu", gpu_name(flags.device)},
          {"isa", name(flags.isa)},
          {"available_isas", isas},
          {"threads", flags.threads},
          {"system", system_name()},
          {"load_average", load ? Json(*load) : Json(nullptr)},
          {"governor", frequency ? Json(*frequency) : Json(nullptr)}};
}

}  // namespace

Json begin_result(const std::string& tool, const SharedFlags& flags,
                  std::span<const std::filesystem::path> inputs) {
  Json files = Json::array();
  for (const std::filesystem::path& input : inputs) {
    for (const FileInfo& info : describe_files(input)) {
      files.push_back({{"path", info.path}, {"bytes", info.bytes}, {"xxh64", info.xxh64}});
    }
  }
  return {{"schema", kResultSchema},
          {"tool", tool},
          {"version", kVersion},
          {"complete", true},
          {"environment", environment(flags)},
          {"inputs", files}};
}

void write_json(std::ostream& out, const Json& value) {
  out << value.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

void write_json_line(std::ostream& out, const Json& value) {
  out << value.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
}

std::vector<std::string> timing_warnings(int threads) {
  std::vector<std::string> warnings;
  const auto load = load_average();
  // One program that keeps `threads` CPUs busy is what is about to run: anything on top disturbs.
  const int cpus = cpu_count(std::nullopt);
  if (load && *load + threads > cpus + 0.5) {
    warnings.push_back("the machine is busy: load average " + fixed(*load, 2) + " on " +
                       std::to_string(cpus) + " CPUs");
  }
  const auto quota = cpu_quota();
  if (quota && threads > *quota) {
    warnings.push_back("this process is limited to the time of " + fixed(*quota, 2) +
                       " CPUs: with more threads it is held up for the rest of each period");
  }
  const auto frequency = governor();
  if (frequency && *frequency != "performance") {
    warnings.push_back("the CPU frequency governor is \"" + *frequency + "\", not \"performance\"");
  }
  return warnings;
}

}  // namespace qe::tools
