// SplitMix64 and AS 241.
#include "loaders/synthetic_weights.h"

#include <algorithm>
#include <cmath>

#define XXH_INLINE_ALL  // the library's switch for header-only use
#include <xxhash.h>

namespace qe {
namespace {

std::uint64_t mix(std::uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
  return z ^ (z >> 31);
}

// Element `index` of the SplitMix64 stream that starts at `key`, as a number inside (0, 1).
double uniform(std::uint64_t key, std::uint64_t index) {
  const std::uint64_t bits = mix(key + (index + 1) * 0x9e3779b97f4a7c15U);
  return (static_cast<double>(bits >> 11) + 0.5) * 0x1p-53;
}

// The x below which a standard normal variable falls with probability p; 7 digits.
double inverse_normal(double p) {
  const double q = p - 0.5;
  if (std::abs(q) <= 0.425) {
    const double r = 0.180625 - q * q;
    return q *
           (((5.9109374720e+01 * r + 1.5929113202e+02) * r + 5.0434271938e+01) * r +
            3.3871327179e+00) /
           (((6.7187563600e+01 * r + 7.8757757664e+01) * r + 1.7895169469e+01) * r + 1.0);
  }
  double r = std::sqrt(-std::log(std::min(p, 1.0 - p)));
  double x = 0.0;
  if (r <= 5.0) {
    r -= 1.6;
    x = (((1.7023821103e-01 * r + 1.3067284816e+00) * r + 2.7568153900e+00) * r +
         1.4234372777e+00) /
        ((1.2021132975e-01 * r + 7.3700164250e-01) * r + 1.0);
  } else {
    r -= 5.0;
    x = (((1.7337203997e-02 * r + 4.2868294337e-01) * r + 3.0812263860e+00) * r +
         6.6579051150e+00) /
        ((1.2258202635e-02 * r + 2.4197894225e-01) * r + 1.0);
  }
  return q < 0.0 ? -x : x;
}

}  // namespace

Tensor random_normal(std::string_view name, std::uint64_t seed, Shape shape, float mean,
                     float deviation) {
  XXH64_state_t state;
  XXH64_reset(&state, seed);
  XXH64_update(&state, name.data(), name.size());
  const std::uint64_t key = XXH64_digest(&state);
  std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(mean + deviation * inverse_normal(uniform(key, i)));
  }
  return make_tensor(std::move(shape), std::move(values));
}

}  // namespace qe
