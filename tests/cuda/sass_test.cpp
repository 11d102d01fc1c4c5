// Reads the machine code of the built library's GPU kernels: each multiplies with the tensor cores
// its family is for, keeps everything in registers, and waits for the launches before it first of
// all. What the compiler does to a kernel breaks no other test.
#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <map>
#include <memory>
#include <string>

#include "kernels/cuda/attention_maps.h"
#include "kernels/cuda/byte_heads.h"
#include "kernels/cuda/kernel_list.h"

namespace {

struct CloseProcess {
  void operator()(std::FILE* pipe) const { pclose(pipe); }
};

template <class Visit>
void for_each_line(const std::string& options, Visit visit) {
  const std::string command = "'" QE_CUOBJDUMP "' " + options + " '" QE_LIBRARY "' 2>/dev/null";
  const std::unique_ptr<std::FILE, CloseProcess> pipe(popen(command.c_str(), "r"));
  std::array<char, 4096> buffer;
  while (pipe && std::fgets(buffer.data(), buffer.size(), pipe.get())) {
    visit(std::string(buffer.data()));
  }
}

bool contains(const std::string& line, const char* part) {
  return line.find(part) != std::string::npos;
}

bool touches_memory_or_ends(const std::string& line) {
  for (const char* const part :
       {" LDG", " STG", " LD.", " ST.", " ATOM", " RED", "UTMALDG", " EXIT"}) {
    if (contains(line, part)) return true;
  }
  return false;
}

struct Counts {
  int mma = 0, wgmma = 0, halves = 0, copies = 0, local = 0;
  // Waits for launches before, permissions for the next one, and what touches memory or ends above
  // the wait.
  int waits = 0, allows = 0, early = 0;
};

// By architecture and function.
std::map<std::string, Counts> read_code() {
  std::map<std::string, Counts> functions;
  std::string architecture;
  Counts* counts = nullptr;
  for_each_line("-sass", [&](const std::string& line) {
    if (contains(line, "code for sm_")) {
      architecture = line.substr(line.find("sm_"));
      counts = nullptr;
    } else if (contains(line, "Function :")) {
      counts = &functions[architecture + line];
    } else if (counts) {
      counts->wgmma += contains(line, "IGMMA.") ? 1 : 0;
      counts->mma += contains(line, " IMMA.") ? 1 : 0;
      counts->halves += contains(line, " HMMA.16816.F32") ? 1 : 0;
      counts->copies += contains(line, "UTMALDG") || contains(line, "LDGSTS") ? 1 : 0;
      counts->local += contains(line, " LDL") || contains(line, " STL") ? 1 : 0;
      counts->waits += contains(line, " ACQBULK") ? 1 : 0;
      counts->allows += contains(line, " PREEXIT") ? 1 : 0;
      counts->early += counts->waits == 0 && touches_memory_or_ends(line) ? 1 : 0;
    }
  });
  return functions;
}

// Kernels come for u8 and for s8 activations.
constexpr int kTypes = 2;

int count_family(qe::kernels::cuda::Family family) {
  int count = 0;
  for (const auto& shape : qe::kernels::cuda::kKernels) count += shape.family == family ? 1 : 0;
  return count;
}

}  // namespace

TEST_CASE("kernels multiply with the tensor cores and keep nothing in local memory") {
  if (std::string(QE_CUOBJDUMP).empty()) {
    MESSAGE("skipped: cuobjdump is not installed");
    return;
  }
  using qe::kernels::cuda::Family;
  int mma = 0;
  int wgmma = 0;
  for (const auto& [name, counts] : read_code()) {
    if (!contains(name, "product")) continue;
    CAPTURE(name);
    const bool warp_group = contains(name, "wgmma_product");
    CHECK((warp_group ? counts.wgmma : counts.mma) > 0);
    CHECK((warp_group ? counts.mma : counts.wgmma) == 0);
    CHECK(counts.copies > 0);
    CHECK(counts.local == 0);
    (warp_group ? wgmma : mma) += 1;
  }
  CHECK(wgmma == count_family(Family::kWgmma) * kTypes);
  CHECK(mma == count_family(Family::kMma) * kTypes * 2);  // for 8.0 and for 9.0
}

TEST_CASE("attention multiplies with the tensor cores and keeps everything in registers") {
  if (std::string(QE_CUOBJDUMP).empty()) {
    MESSAGE("skipped: cuobjdump is not installed");
    return;
  }
  using qe::kernels::cuda::head_steps;
  using qe::kernels::cuda::kByteHeadSteps;
  using qe::kernels::cuda::kHeldSteps;
  using qe::kernels::cuda::kMaxHeadDim;
  int kernels = 0;
  for (const auto& [name, counts] : read_code()) {
    if (!contains(name, "9attentionI")) continue;
    CAPTURE(name);
    CHECK(counts.mma > 0);
    CHECK(counts.local == 0);
    ++kernels;
  }
  // Dynamic and static, for every number of steps, and for short sequences where scores are held;
  // with queries and keys of scaled bytes for few steps, both ways; for 8.0 and for 9.0.
  static_assert(kByteHeadSteps == kHeldSteps);
  const int usual = 2 * (head_steps(kMaxHeadDim) + kHeldSteps);
  CHECK(kernels == (usual + 2 * kByteHeadSteps) * 2);
}

TEST_CASE(
    "attention of halves multiplies with the tensor cores and keeps everything in registers") {
  if (std::string(QE_CUOBJDUMP).empty()) {
    MESSAGE("skipped: cuobjdump is not installed");
    return;
  }
  int kernels = 0;
  for (const auto& [name, counts] : read_code()) {
    if (!contains(name, "14half_attentionI")) continue;
    CAPTURE(name);
    CHECK(counts.halves > 0);
    CHECK(counts.local == 0);
    ++kernels;
  }
  CHECK(kernels == 3 * 2);  // heads of up to 32, 64 and 128; for 8.0 and for 9.0
}

TEST_CASE("kernels wait for the launches before them, first of all and where they can") {
  if (std::string(QE_CUOBJDUMP).empty()) {
    MESSAGE("skipped: cuobjdump is not installed");
    return;
  }
  int waiting = 0;
  for (const auto& [name, counts] : read_code()) {
    CAPTURE(name);
    // Warp groups that copy or multiply wait each in its own place, and the copying thread, which
    // brings constants first, in another.
    const int expected = contains(name, "sm_80") ? 0 : contains(name, "wgmma_product") ? 3 : 1;
    CHECK(counts.waits == expected);
    CHECK(counts.allows == expected);
    if (expected == 0) continue;
    CHECK(counts.early == 0);
    ++waiting;
  }
  CHECK(waiting > 0);
}

TEST_CASE("no kernel has a stack or spills registers") {
  if (std::string(QE_CUOBJDUMP).empty()) {
    MESSAGE("skipped: cuobjdump is not installed");
    return;
  }
  int seen = 0;
  for_each_line("-res-usage", [&](const std::string& line) {
    if (!contains(line, "REG:")) return;
    ++seen;
    CAPTURE(line);
    CHECK(contains(line, "STACK:0 "));
    CHECK(contains(line, "LOCAL:0 "));
  });
  CHECK(seen > 0);
}
