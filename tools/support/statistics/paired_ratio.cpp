// Medians of ratios and their bootstrap.
#include "tools/support/statistics/paired_ratio.h"

#include <vector>

#include "tools/support/statistics/bootstrap.h"
#include "tools/support/statistics/percentiles.h"

namespace qe::tools {

RatioEstimate paired_ratio(std::span<const double> numerator, std::span<const double> denominator,
                           std::uint64_t seed) {
  std::vector<double> ratios;
  for (std::size_t i = 0; i < numerator.size(); ++i)
    ratios.push_back(numerator[i] / denominator[i]);
  const auto median_of = [&](std::span<const std::uint32_t> drawn) {
    std::vector<double> sample;
    for (const std::uint32_t i : drawn) sample.push_back(ratios[i]);
    return median(sample);
  };
  return {.median = median(ratios),
          .interval = bootstrap(ratios.size(), median_of, {.seed = seed}),
          .pairs = ratios.size()};
}

}  // namespace qe::tools
