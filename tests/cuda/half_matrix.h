// Matrices of halves for tests of kernels: random ones, places for results that must stay as they
// are where nothing is to be written, and results against double precision.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/cuda/half.h"
#include "tests/cuda/gpu_support.h"
#include "tests/cuda/halves.h"
#include "tests/kernels/shape_random.h"

namespace qe::test {

using kernels::cuda::Half;

inline constexpr std::uint16_t kPattern = 0xA7A7;
inline constexpr double kHalfUnit = 0x1p-11;  // half of a unit in the last place, relative

struct HalfMatrix {
  int rows, cols, start;
  std::ptrdiff_t ld;
  std::vector<Half> elements;

  std::size_t at(int row, int col) const {
    return static_cast<std::size_t>(start + row * ld + col);
  }
  double operator()(int row, int col) const {
    return static_cast<double>(half_value(elements[at(row, col)].bits));
  }
};

inline HalfMatrix place(int rows, int cols, Random& random) {
  const bool aligned = random.integer(0, 2) != 0;
  HalfMatrix m{.rows = rows,
               .cols = cols,
               .start = aligned ? 0 : random.integer(0, 5),
               .ld = aligned ? (cols + 15) / 16 * 16 : cols + random.integer(0, 7),
               .elements = {}};
  m.elements.assign(m.at(rows, 0), Half{kPattern});
  return m;
}

inline HalfMatrix random_matrix(int rows, int cols, float spread, Random& random) {
  HalfMatrix m = place(rows, cols, random);
  std::vector<float> values(m.elements.size());
  random.fill(values, spread);
  for (std::size_t i = 0; i < values.size(); ++i) m.elements[i] = {half_bits(values[i])};
  return m;
}

// `expected(row, col)` for the rows that exist, with bound(row, col) beyond rounding the result.
template <class Expected, class Bound>
void check_halves(const DeviceArray<Half>& device, HalfMatrix out, int rows, Expected expected,
                  Bound bound) {
  out.elements = device.read();
  int wrong = 0;
  std::vector<bool> written(out.elements.size(), false);
  for (int row = 0; row < rows; ++row) {
    for (int col = 0; col < out.cols; ++col) {
      written[out.at(row, col)] = true;
      const double y = expected(row, col);
      const double most = std::fabs(y) * kHalfUnit + 0x1p-25 + bound(row, col);
      if (!(std::fabs(out(row, col) - y) <= most)) ++wrong;
    }
  }
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (!written[i] && out.elements[i].bits != kPattern) ++wrong;
  }
  CHECK(wrong == 0);
}

inline DeviceArray<std::int32_t> count_of(int count) {
  return DeviceArray<std::int32_t>(std::vector<std::int32_t>{count});
}

inline int cases() { return std::max(1, shape_count(60) / 5); }

}  // namespace qe::test
