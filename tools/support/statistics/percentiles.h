// Summaries of raw samples such as latencies.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace qe::tools {

// The `q` quantile (0 to 1) of ascending values, interpolated between order statistics: Hyndman and
// Fan's type 7, the default of NumPy and R. NaN without values.
double quantile_sorted(std::span<const double> ascending, double q);

struct Summary {
  std::size_t count = 0;
  double mean = 0.0;
  double sd = 0.0;   // with n - 1; 0 for a single value
  double mad = 0.0;  // median of |x - median|, unscaled
  double minimum = 0.0;
  double p50 = 0.0;
  double p90 = 0.0;
  double p95 = 0.0;
  double p99 = 0.0;
  double maximum = 0.0;
};

// All fields NaN without values.
Summary summarize(std::span<const double> values);

double median(std::span<const double> values);

}  // namespace qe::tools
