// Replicates are dealt to threads in turn and land in their own slots.
#include "tools/support/statistics/bootstrap.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "tools/support/statistics/percentiles.h"
#include "tools/support/statistics/philox.h"

namespace qe::tools {

Interval bootstrap(std::size_t rows, const Statistic& statistic, const BootstrapOptions& options) {
  constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
  if (rows == 0) return {kNan, kNan};
  std::vector<double> values(static_cast<std::size_t>(options.replicates));
  const auto stride = static_cast<std::size_t>(std::max(1, options.threads));
  const auto work = [&](std::size_t first) {
    std::vector<std::uint32_t> drawn(rows);
    for (std::size_t replicate = first; replicate < values.size(); replicate += stride) {
      PhiloxStream random(options.seed, replicate);
      for (std::uint32_t& row : drawn) row = random.below(static_cast<std::uint32_t>(rows));
      values[replicate] = statistic(drawn);
    }
  };
  {
    std::vector<std::jthread> helpers;  // joined at the end of the scope
    for (std::size_t first = 1; first < stride; ++first) helpers.emplace_back(work, first);
    work(0);
  }
  std::erase_if(values, [](double value) { return !std::isfinite(value); });
  std::sort(values.begin(), values.end());
  const double tail = (1.0 - options.level) / 2.0;
  return {quantile_sorted(values, tail), quantile_sorted(values, 1.0 - tail)};
}

}  // namespace qe::tools
