// Order statistics and moments.
#include "tools/support/statistics/percentiles.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace qe::tools {
namespace {

std::vector<double> ascending(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

}  // namespace

double quantile_sorted(std::span<const double> ascending, double q) {
  if (ascending.empty()) return std::numeric_limits<double>::quiet_NaN();
  const double position = q * static_cast<double>(ascending.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, ascending.size() - 1);
  const double fraction = position - static_cast<double>(below);
  return ascending[below] + fraction * (ascending[above] - ascending[below]);
}

double median(std::span<const double> values) { return quantile_sorted(ascending(values), 0.5); }

Summary summarize(std::span<const double> values) {
  const std::vector<double> sorted = ascending(values);
  const auto n = static_cast<double>(sorted.size());
  Summary summary;
  summary.count = sorted.size();
  summary.mean = std::accumulate(sorted.begin(), sorted.end(), 0.0) / n;
  double squares = 0.0;
  std::vector<double> deviations;
  summary.p50 = quantile_sorted(sorted, 0.5);
  for (const double value : sorted) {
    squares += (value - summary.mean) * (value - summary.mean);
    deviations.push_back(std::abs(value - summary.p50));
  }
  summary.sd = sorted.size() == 1 ? 0.0 : std::sqrt(squares / (n - 1.0));
  summary.mad = median(deviations);
  summary.minimum = quantile_sorted(sorted, 0.0);
  summary.p90 = quantile_sorted(sorted, 0.90);
  summary.p95 = quantile_sorted(sorted, 0.95);
  summary.p99 = quantile_sorted(sorted, 0.99);
  summary.maximum = quantile_sorted(sorted, 1.0);
  return summary;
}

}  // namespace qe::tools
