// Threads start together behind a barrier, so that shared clocks and power limits apply as in real
// work.
#include "tools/bench/machine_peak.h"

#include <barrier>
#include <thread>

#include "tools/support/statistics/percentiles.h"
#include "tools/support/table.h"

namespace qe::tools {
namespace {

// Multiply-adds a cycle that cores are built for: a power of two, e.g. 64 a full-width vpdpbusd and
// one or two of them starting each cycle, or 16384 a tdpbusd and one each 16 cycles.
constexpr double kMostMacsPerCycle = 2048.0;
constexpr double kLeastShare = 0.95;

double nominal_macs_per_cycle(double measured) {
  double nominal = 1.0;
  while (nominal < kMostMacsPerCycle && nominal < 0.98 * measured) nominal *= 2.0;
  return nominal;
}

}  // namespace

PeakSample measure_machine_peak(Isa isa, int threads, double seconds) {
  const std::vector<int> cpus = usable_cpus();
  std::vector<PeakSample> samples(static_cast<std::size_t>(threads));
  std::barrier start(threads);
  {
    std::vector<std::jthread> workers;  // joined at the end of the scope
    for (std::size_t i = 0; i < samples.size(); ++i) {
      workers.emplace_back([&, i] {
        if (i < cpus.size()) pin_to_cpu(cpus[i]);
        start.arrive_and_wait();
        samples[i] = measure_int8_peak(isa, seconds);
      });
    }
  }
  PeakSample total;
  for (const PeakSample& sample : samples) {
    total.gmacs += sample.gmacs;
    total.ghz += sample.ghz / threads;
    total.macs_per_cycle += sample.macs_per_cycle / threads;
  }
  return total;
}

PeakSummary summarize_peaks(std::span<const PeakSample> samples) {
  std::vector<double> gmacs;
  std::vector<double> macs_per_cycle;
  for (const PeakSample& sample : samples) {
    gmacs.push_back(sample.gmacs);
    macs_per_cycle.push_back(sample.macs_per_cycle);
  }
  PeakSummary summary{.gmacs = median(gmacs), .macs_per_cycle = median(macs_per_cycle)};
  const double nominal = nominal_macs_per_cycle(summary.macs_per_cycle);
  if (!(summary.macs_per_cycle >= kLeastShare * nominal)) {
    summary.invalid = "the peak loop reached " + fixed(summary.macs_per_cycle, 1) + " of " +
                      fixed(nominal, 0) + " multiply-adds a cycle: the cores were shared";
  }
  return summary;
}

}  // namespace qe::tools
