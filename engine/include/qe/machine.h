// The CPUs this process may use, and what one of them can do at most, measured: the denominators of
// every speed the tools report. Each measurement runs on the calling thread, so that a benchmark
// can take it on the very threads it pinned and between its own samples; a figure from another run
// or another core says little.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include <qe/isa.h>

namespace qe {

// The CPUs that the calling thread may run on, ascending; empty if the system does not say.
std::vector<int> usable_cpus();

// Binds the calling thread to this CPU. False if the system refuses, which changes speed alone.
bool pin_to_cpu(int cpu) noexcept;

struct PeakSample {
  double gmacs = 0;           // 10^9 u8 x s8 multiply-adds a second, from registers alone
  double ghz = 0;             // core clock, from a chain of dependent additions
  double macs_per_cycle = 0;  // gmacs / ghz
};

// Measures the multiplication of an available instruction set for about `seconds` (at least a few
// tenths of a millisecond), alternating short blocks of multiplications and of the chain; the
// figures are medians over the blocks.
PeakSample measure_int8_peak(Isa isa, double seconds);

// 10^9 bytes a second at which this thread reads `memory` (once or more, in ascending order, for
// at least `seconds`). Memory larger than the caches gives the rate of the main memory. Bytes
// beyond the last multiple of 64 are not read. Throws UsageError for fewer than 64 bytes.
double measure_read_bandwidth(std::span<const std::byte> memory, double seconds);

}  // namespace qe
