// The INT8 peak of several cores at once: the denominator of every percentage that qe-bench prints.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <qe/machine.h>

namespace qe::tools {

// Runs measure_int8_peak on `threads` threads at the same time, thread i bound to the i-th CPU this
// process may use. gmacs is the sum over the threads; ghz and macs_per_cycle are per core,
// averaged.
PeakSample measure_machine_peak(Isa isa, int threads, double seconds);

struct PeakSummary {
  double gmacs = 0.0;           // median of the samples
  double macs_per_cycle = 0.0;  // median, per core
  // Why percentages of this peak must not be quoted; empty if they may: the peak loop itself did
  // not reach what the instruction set allows, so something else was using the cores.
  std::string invalid = {};
};

PeakSummary summarize_peaks(std::span<const PeakSample> samples);

}  // namespace qe::tools
