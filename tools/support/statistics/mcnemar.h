// McNemar's test (1947): do two classifiers judged on the same rows differ in accuracy?
#pragma once

#include <cstdint>

namespace qe::tools {

struct McNemar {
  double exact = 1.0;  // two-sided binomial p-value
  double mid_p = 1.0;  // the same less half the probability of what was seen
  // The value to quote: exact below 25 discordant rows, else mid-p.
  double p_value = 1.0;
};

// `only_a`: rows that the first alone gets right; `only_b`: the second alone.
McNemar mcnemar(std::int64_t only_a, std::int64_t only_b);

}  // namespace qe::tools
