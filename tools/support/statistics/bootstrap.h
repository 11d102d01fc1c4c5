// The percentile bootstrap (Efron 1979). Replicate r draws its rows from stream r of the seed, so
// the interval is the same at any thread count. Paired data stay paired: a statistic is told which
// rows were drawn and looks up whatever belongs to them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>

#include "tools/support/statistics/intervals.h"

namespace qe::tools {

struct BootstrapOptions {
  int replicates = 2000;
  std::uint64_t seed = 1;
  double level = 0.95;
  int threads = 1;
};

// A statistic of the rows drawn (indices below `rows`, with repeats). Called from several threads.
using Statistic = std::function<double(std::span<const std::uint32_t> drawn)>;

// Replicates whose statistic is not finite (an empty denominator) are left out; NaN if none is left
// or there are no rows.
Interval bootstrap(std::size_t rows, const Statistic& statistic, const BootstrapOptions& options);

}  // namespace qe::tools
