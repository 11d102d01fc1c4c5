// The ratio of two things measured in alternation: each pair of neighbouring blocks sees the same
// state of the machine, so the median of per-pair ratios is far steadier than a ratio of medians.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "tools/support/statistics/intervals.h"

namespace qe::tools {

struct RatioEstimate {
  double median = 0.0;
  Interval interval;  // bootstrap over pairs, 95 %
  std::size_t pairs = 0;
};

// Of numerator[i] / denominator[i]. The spans have the same size. NaN without pairs.
RatioEstimate paired_ratio(std::span<const double> numerator, std::span<const double> denominator,
                           std::uint64_t seed);

// Whether pair `pair` runs its first side first: A B, B A, A B ... is A B B A A B B A, which
// cancels a drift of the machine.
constexpr bool first_side_first(std::size_t pair) { return pair % 2 == 0; }

}  // namespace qe::tools
