// Limits of control groups, in folders that look like those of Linux.
#include <filesystem>
#include <fstream>
#include <string>

#include <doctest/doctest.h>

#include "tools/support/args.h"
#include "tools/support/cpu_quota.h"
#include "tools/support/temporary_folder.h"

namespace qe::tools {
namespace {

namespace fs = std::filesystem;

class Root {
 public:
  void write(const std::string& path, const std::string& text) const {
    const fs::path file = folder_.path() / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::optional<double> quota() const { return cpu_quota(folder_.path()); }

 private:
  TemporaryFolder folder_{"qe-test-quota"};
};

TEST_CASE("no groups, no limit") {
  const Root root;
  CHECK_FALSE(root.quota());
  root.write("proc/self/cgroup", "0::/\n");
  CHECK_FALSE(root.quota());
  root.write("sys/fs/cgroup/cpu.max", "max 100000\n");
  CHECK_FALSE(root.quota());
}

TEST_CASE("the least limit of the group and of those above it") {
  const Root root;
  root.write("proc/self/cgroup", "0::/user/app\n");
  root.write("sys/fs/cgroup/user/cpu.max", "150000 100000\n");
  CHECK(root.quota() == 1.5);
  root.write("sys/fs/cgroup/user/app/cpu.max", "400000 100000\n");
  CHECK(root.quota() == 1.5);
  root.write("sys/fs/cgroup/user/app/cpu.max", "50000 200000\n");
  CHECK(root.quota() == 0.25);
}

TEST_CASE("groups of version 1, where a container sees its own as the topmost") {
  const Root root;
  root.write("proc/self/cgroup", "5:memory:/docker/1\n4:cpu,cpuacct:/docker/1\n2:cpuset:/\n0::/\n");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  root.write("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  CHECK_FALSE(root.quota());
  root.write("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  CHECK(root.quota() == 2.0);
}

TEST_CASE("what cannot be understood limits nothing") {
  const Root root;
  root.write("proc/self/cgroup", "nonsense\n\n0\n0:\n0::\n0::user\n4:cpu\n0::/app\n");
  for (const char* const text : {"", "x", "100000", "100000 0", "0 100000", "-5 100000", "nan 1"}) {
    CAPTURE(text);
    root.write("sys/fs/cgroup/app/cpu.max", text);
    CHECK_FALSE(root.quota());
  }
}

TEST_CASE("the CPUs of a process are whole, at least one and no more than it may run on") {
  CHECK(cpu_count() >= 1);
  const int all = cpu_count(std::nullopt);
  CHECK(cpu_count(0.25) == 1);
  CHECK(cpu_count(1.0) == 1);
  CHECK(cpu_count(1e9) == all);
  if (all >= 2) CHECK(cpu_count(1.5) == 2);
}

}  // namespace
}  // namespace qe::tools
