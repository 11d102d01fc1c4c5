// What the tests of row kernels share: the shapes they run over, and the rule of bytes above a
// floor.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/reference/math.h"

namespace qe::test {

inline std::vector<int> widths() {
  std::vector<int> cols;
  for (int i = 1; i <= 65; ++i) {
    cols.push_back(i);
  }
  cols.insert(cols.end(), {127, 128, 200, 384, 768, 769});
  return cols;
}

// A matrix whose last row ends at the guard; rows are `ld` apart.
inline std::size_t extent(int rows, int cols, std::ptrdiff_t ld) {
  return static_cast<std::size_t>((rows - 1) * ld + cols);
}

struct RowsShape {
  int rows;
  int cols;
  std::ptrdiff_t ld;
};

template <class Check>
void for_shapes(Check check) {
  for (const int cols : widths()) {
    for (const int rows : {1, 3, 4, 5, 13}) {
      for (const int gap : {0, 3}) {
        CAPTURE(rows);
        CAPTURE(cols);
        CAPTURE(gap);
        check(RowsShape{rows, cols, cols + gap});
      }
    }
  }
}

// The rule of bytes above a floor, for a row without NaN or infinity, written as the header has it.
inline void check_floored_row(const float* x, int cols, float floor, float scale,
                              const std::uint8_t* q) {
  const float height = *std::max_element(x, x + cols) - floor;
  const float inv = height < 0x1p-100F ? 0.0F : 255.0F / height;
  REQUIRE(scale == (height < 0x1p-100F ? 0.0F : height / 255.0F));
  for (int i = 0; i < cols; ++i) {
    REQUIRE(q[i] == kernels::reference::round_to_u8(std::fma(x[i], inv, -floor * inv)));
    REQUIRE(std::fabs(floor + scale * q[i] - x[i]) <= 0.501F * scale + 1e-6F * std::fabs(x[i]));
  }
}

}  // namespace qe::test
