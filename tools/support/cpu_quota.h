// How much CPU time the control groups of this process allow it, as containers are limited
// (docker --cpus): threads beyond that only use it up sooner. Linux, version 1 and 2 of the groups.
#pragma once

#include <filesystem>
#include <optional>

namespace qe::tools {

// In CPUs, 1.5 for three halves; nothing where there is no limit or none can be read. `root` stands
// for "/", for tests.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

}  // namespace qe::tools
