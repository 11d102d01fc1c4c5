// Timing around the measuring loops of kernels/peak.h.
#include <qe/error.h>
#include <qe/machine.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/peak.h"

namespace qe {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// The results of the loops go here, so that no compiler may drop them.
void keep(std::uint64_t value) { asm volatile("" : : "r"(value)); }

}  // namespace

PeakSample measure_int8_peak(Isa isa, double seconds) {
  // Blocks of some tens of microseconds: long against the clock's resolution, short against the
  // interruptions of a shared machine, which the median then drops.
  constexpr std::int64_t kIterationsPerBlock = 2500;
  constexpr std::int64_t kChainsPerBlock = 500;
  const kernels::PeakLoop loop = kernels::int8_peak_loop(isa);
  keep(static_cast<std::uint64_t>(loop.run(kIterationsPerBlock)));  // the clock settles
  std::vector<double> gmacs;
  std::vector<double> ghz;
  const Clock::time_point start = Clock::now();
  do {
    const Clock::time_point multiply_start = Clock::now();
    keep(static_cast<std::uint64_t>(loop.run(kIterationsPerBlock)));
    const double multiply = seconds_since(multiply_start);
    const Clock::time_point chain_start = Clock::now();
    keep(kernels::run_cycle_chain(kChainsPerBlock));
    const double chain = seconds_since(chain_start);
    gmacs.push_back(static_cast<double>(kIterationsPerBlock * loop.macs) / multiply * 1e-9);
    ghz.push_back(static_cast<double>(kChainsPerBlock * kernels::kCyclesPerChain) / chain * 1e-9);
  } while (seconds_since(start) < seconds);
  PeakSample sample;
  sample.gmacs = median(gmacs);
  sample.ghz = median(ghz);
  sample.macs_per_cycle = sample.gmacs / sample.ghz;
  return sample;
}

double measure_read_bandwidth(std::span<const std::byte> memory, double seconds) {
  constexpr std::size_t kLine = 64;
  const std::size_t bytes = memory.size() / kLine * kLine;
  if (bytes == 0) {
    throw UsageError({.problem = "memory to read is too small",
                      .name = "memory",
                      .expected = "at least 64 bytes",
                      .actual = std::to_string(memory.size())});
  }
  double total = 0;
  const Clock::time_point start = Clock::now();
  double elapsed = 0;
  do {
    keep(kernels::read_bytes(memory.data(), bytes));
    total += static_cast<double>(bytes);
    elapsed = seconds_since(start);
  } while (elapsed < seconds);
  return total / elapsed * 1e-9;
}

}  // namespace qe
