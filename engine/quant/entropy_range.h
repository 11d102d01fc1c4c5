// The clipping whose 8-bit rendering keeps most of a distribution's information: least
// Kullback-Leibler divergence between the clipped values and what is left of them on 256 levels, as
// in S. Migacz, "8-bit inference with TensorRT" (GTC 2017), there for magnitudes on 128 levels.
#pragma once

#include <span>

#include <qe/quantize.h>

namespace qe {

// So many values, evenly spread from `low` to `high`.
struct CountedInterval {
  double low, high;
  double count;
};

// Each end of `full` is moved in turn, the other held; of a symmetric range both together. No end
// comes closer to zero than an eighth of the whole width. `full` holds zero and every interval;
// without any it comes back as it is.
Range entropy_range(std::span<const CountedInterval> values, Range full, bool symmetric);

}  // namespace qe
