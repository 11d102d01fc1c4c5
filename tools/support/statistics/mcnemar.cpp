// Binomial(n, 1/2) tail in log space, so that no count is too large.
#include "tools/support/statistics/mcnemar.h"

#include <algorithm>
#include <cmath>

namespace qe::tools {

McNemar mcnemar(std::int64_t only_a, std::int64_t only_b) {
  const std::int64_t n = only_a + only_b;
  if (n == 0) return {};
  const std::int64_t fewer = std::min(only_a, only_b);
  const auto probability = [n](std::int64_t k) {
    const auto total = static_cast<double>(n);
    const auto hits = static_cast<double>(k);
    return std::exp(std::lgamma(total + 1.0) - std::lgamma(hits + 1.0) -
                    std::lgamma(total - hits + 1.0) - total * std::log(2.0));
  };
  double tail = 0.0;
  for (std::int64_t k = 0; k <= fewer; ++k) tail += probability(k);
  McNemar result;
  result.exact = std::min(1.0, 2.0 * tail);
  result.mid_p = std::min(1.0, 2.0 * tail - probability(fewer));
  result.p_value = n < 25 ? result.exact : result.mid_p;
  return result;
}

}  // namespace qe::tools
