// Intervals for rates that behave near 0 and 1, at 95 % unless said otherwise.
#pragma once

#include <cstdint>

namespace qe::tools {

struct Interval {
  double low = 0.0;
  double high = 0.0;
};

inline constexpr double kNormal95 = 1.959963984540054;  // 97.5 % point of the standard normal

// Wilson's score interval (1927) for `hits` of `trials`; [0, 1] without trials.
Interval wilson(std::int64_t hits, std::int64_t trials, double z = kNormal95);

// Newcombe's method 10 (Stat. Med. 17, 1998) for the difference of two independent rates,
// hits_a/trials_a - hits_b/trials_b.
Interval newcombe(std::int64_t hits_a, std::int64_t trials_a, std::int64_t hits_b,
                  std::int64_t trials_b, double z = kNormal95);

}  // namespace qe::tools
