// Philox4x32-10, a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1,
// 2, 3", SC 2011): the n-th number of a key is a function of n, so work split over threads in any
// way draws the same numbers.
#pragma once

#include <array>
#include <cstdint>

namespace qe::tools {

// The block of four 32-bit numbers that `counter` has under `key`.
std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter,
                                    std::array<std::uint32_t, 2> key);

// The stream number `stream` of `seed`.
class PhiloxStream {
 public:
  PhiloxStream(std::uint64_t seed, std::uint64_t stream);

  std::uint32_t next();

  // In [0, bound), bound >= 1; biased by less than bound / 2^32.
  std::uint32_t below(std::uint32_t bound) {
    return static_cast<std::uint32_t>((std::uint64_t{next()} * bound) >> 32);
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 4> counter_;
  std::array<std::uint32_t, 4> block_{};
  unsigned used_ = 4;
};

}  // namespace qe::tools
