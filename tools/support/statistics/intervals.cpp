// Closed forms.
#include "tools/support/statistics/intervals.h"

#include <algorithm>
#include <cmath>

namespace qe::tools {

Interval wilson(std::int64_t hits, std::int64_t trials, double z) {
  if (trials == 0) return {0.0, 1.0};
  const auto n = static_cast<double>(trials);
  const double p = static_cast<double>(hits) / n;
  const double centre = p + z * z / (2.0 * n);
  const double half = z * std::sqrt(p * (1.0 - p) / n + z * z / (4.0 * n * n));
  const double scale = 1.0 + z * z / n;
  return {.low = hits == 0 ? 0.0 : std::max(0.0, (centre - half) / scale),
          .high = hits == trials ? 1.0 : std::min(1.0, (centre + half) / scale)};
}

Interval newcombe(std::int64_t hits_a, std::int64_t trials_a, std::int64_t hits_b,
                  std::int64_t trials_b, double z) {
  const double a = static_cast<double>(hits_a) / static_cast<double>(trials_a);
  const double b = static_cast<double>(hits_b) / static_cast<double>(trials_b);
  const Interval wilson_a = wilson(hits_a, trials_a, z);
  const Interval wilson_b = wilson(hits_b, trials_b, z);
  return {.low = a - b - std::hypot(a - wilson_a.low, wilson_b.high - b),
          .high = a - b + std::hypot(wilson_a.high - a, b - wilson_b.low)};
}

}  // namespace qe::tools
