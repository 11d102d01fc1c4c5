// Random tensors from a counter-based generator: each element depends on the seed, the tensor's
// name and its position alone, whatever the order of generation.
#pragma once

#include <cstdint>
#include <string_view>

#include <qe/tensor.h>

namespace qe {

// Normal numbers with the given mean and deviation, F32: SplitMix64 (Steele et al. 2014) through
// the inverse of the normal distribution (Wichura 1988, algorithm AS 241, PPND7).
Tensor random_normal(std::string_view name, std::uint64_t seed, Shape shape, float mean,
                     float deviation);

}  // namespace qe
