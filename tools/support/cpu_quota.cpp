// A limit of any group above the process's own limits it too, so each is asked. What cannot be read
// or understood limits nothing: the answer only chooses a default.
#include "tools/support/cpu_quota.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <string>

namespace qe::tools {
namespace {

namespace fs = std::filesystem;

// The file's first words as microseconds of CPU time in so many of real time; version 1 has a file
// for each of the two.
std::optional<double> ratio(std::istream& quota, std::istream& period) {
  double used = 0.0;
  double of = 0.0;
  if (!(quota >> used) || !(period >> of) || used <= 0.0 || of <= 0.0) return std::nullopt;
  return used / of;
}

std::optional<double> limit_of(const fs::path& group, bool second_version) {
  if (second_version) {
    std::ifstream file(group / "cpu.max");  // "max 100000" where there is none
    return ratio(file, file);
  }
  std::ifstream quota(group / "cpu.cfs_quota_us");  // -1 where there is none
  std::ifstream period(group / "cpu.cfs_period_us");
  return ratio(quota, period);
}

// Whether `controllers` of a line of /proc/self/cgroup, such as "cpu,cpuacct", have this one.
bool controls_cpu(const std::string& controllers) {
  std::istringstream names(controllers);
  for (std::string name; std::getline(names, name, ',');) {
    if (name == "cpu") return true;
  }
  return false;
}

}  // namespace

std::optional<double> cpu_quota(const fs::path& root) {
  std::optional<double> least;
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    std::istringstream fields(line);  // "0::/path" or "4:cpu,cpuacct:/path"
    std::string number;
    std::string controllers;
    std::string path;
    std::getline(fields, number, ':');
    std::getline(fields, controllers, ':');
    std::getline(fields, path);
    const bool second_version = number == "0" && controllers.empty();
    if (!path.starts_with('/') || (!second_version && !controls_cpu(controllers))) continue;
    const fs::path mount = root / "sys/fs/cgroup" / (second_version ? "" : "cpu");
    for (fs::path group = path;; group = group.parent_path()) {
      const auto limit = limit_of(mount / group.relative_path(), second_version);
      if (limit) least = std::min(*limit, least.value_or(*limit));
      if (!group.has_relative_path()) break;
    }
  }
  return least;
}

}  // namespace qe::tools
