// quantize_rows: every available instruction set has the bits of the reference under every scheme,
// over odd widths, row strides that misalign, arrays that end at an inaccessible page, and rows of
// special values; and the reference does what kernel_table.h says.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <iterator>
#include <limits>
#include <vector>

#include "kernels/reference/math.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_test.h"
#include "tests/kernels/rows_shape.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 20240611;

constexpr float kKnownFloor = -0.17F;
constexpr float kInvScale = 30.5F;
constexpr float kZeroPoint = 111.0F;

struct QuantizeRun {
  GuardedBuffer<std::uint8_t> q;
  GuardedBuffer<float> scale, floor;

  QuantizeRun(const KernelTable& table, RowScheme scheme, const float* x, RowsShape s)
      : q(extent(s.rows, s.cols, s.ld)),
        scale(static_cast<std::size_t>(s.rows)),
        floor(static_cast<std::size_t>(s.rows)) {
    table.quantize_rows({.x = x,
                         .ldx = s.ld,
                         .rows = s.rows,
                         .cols = s.cols,
                         .q = q.data(),
                         .ldq = s.ld,
                         .scheme = scheme,
                         .scale = scheme == RowScheme::kStatic ? nullptr : scale.data(),
                         .floor = scheme == RowScheme::kOwnFloor ? floor.data() : nullptr,
                         .known_floor = kKnownFloor,
                         .inv_scale = kInvScale,
                         .zero_point = kZeroPoint});
  }
};

}  // namespace

TEST_CASE("quantize_rows: bits of the reference under every scheme") {
  Random random(kSeed);
  for_shapes([&](RowsShape s) {
    GuardedBuffer<float> x(extent(s.rows, s.cols, s.ld));
    random.fill(x.span(), 2.0F);
    plant_special_rows(x.span(), s.rows, s.cols, s.ld);
    for (const RowScheme scheme : {RowScheme::kStatic, RowScheme::kSymmetric, RowScheme::kOwnFloor,
                                   RowScheme::kKnownFloor}) {
      QuantizeRun expected(reference_table(), scheme, x.data(), s);
      for (const KernelTable* table : tables_beside_reference()) {
        QuantizeRun run(*table, scheme, x.data(), s);
        CAPTURE(table->name);
        CAPTURE(static_cast<int>(scheme));
        REQUIRE(run.q.same_bytes(expected.q));
        REQUIRE(run.q.front_intact());
        REQUIRE(same_floats(run.scale.span(), expected.scale.span()));
        REQUIRE(same_floats(run.floor.span(), expected.floor.span()));
      }
    }
  });
}

TEST_CASE("quantize_rows: a given scale rounds as defined, bytes above a floor take every step") {
  Random random(kSeed + 6);
  for_shapes([&](RowsShape s) {
    GuardedBuffer<float> x(extent(s.rows, s.cols, s.ld));
    random.fill(x.span(), 3.0F);
    QuantizeRun fixed(reference_table(), RowScheme::kStatic, x.data(), s);
    REQUIRE(fixed.q[0] == reference::round_to_u8(std::fma(x[0], kInvScale, kZeroPoint)));
    QuantizeRun own(reference_table(), RowScheme::kOwnFloor, x.data(), s);
    for (int row = 0; row < s.rows; ++row) {
      const float* at = x.data() + row * s.ld;
      const auto r = static_cast<std::size_t>(row);
      REQUIRE(own.floor[r] == *std::min_element(at, at + s.cols));
      check_floored_row(at, s.cols, own.floor[r], own.scale[r], own.q.data() + row * s.ld);
    }
    for (float& value : x.span()) value = std::max(value, kKnownFloor);
    QuantizeRun known(reference_table(), RowScheme::kKnownFloor, x.data(), s);
    for (int row = 0; row < s.rows; ++row) {
      check_floored_row(x.data() + row * s.ld, s.cols, kKnownFloor,
                        known.scale[static_cast<std::size_t>(row)], known.q.data() + row * s.ld);
    }
  });
}

TEST_CASE("quantize_rows: symmetric scale and rounding") {
  std::vector<float> x = {1.0F, -2.0F, 0.5F, 0.0F,  //
                          0.0F, 0.0F,  0.0F, 0.0F};
  const QuantizeRun run(reference_table(), RowScheme::kSymmetric, x.data(), {2, 4, 4});
  QuantizeRun expected(reference_table(), RowScheme::kSymmetric, x.data(), {2, 4, 4});
  const std::uint8_t bytes[] = {192, 1, 160, 128, 128, 128, 128, 128};  // 63.5 to even, 31.75
  std::copy(std::begin(bytes), std::end(bytes), expected.q.data());
  expected.scale[0] = 2.0F / 127.0F;
  expected.scale[1] = 0.0F;
  CHECK(run.q.same_bytes(expected.q));
  CHECK(run.scale.same_bytes(expected.scale));
}

TEST_CASE("quantize_rows above the row's minimum: rows that are not ordinary") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  struct Row {
    float x[3];
    float floor, scale;
    std::uint8_t q[3];
  };
  const Row rows[] = {
      {{1.0F, 2.0F, 6.1F}, 1.0F, (6.1F - 1.0F) / 255.0F, {0, 50, 255}},
      {{-7.0F, -7.0F, -7.0F}, -7.0F, 0.0F, {0, 0, 0}},         // constant: exact
      {{0.0F, -0.0F, 0.0F}, 0.0F, 0.0F, {0, 0, 0}},            // the floor is never -0
      {{1e-40F, 0.0F, 3e-40F}, 0.0F, 0.0F, {0, 0, 0}},         // too small to tell apart
      {{kNan, 1.0F, 2.0F}, 1.0F, 1.0F / 255.0F, {0, 0, 255}},  // passed over
      {{kNan, kNan, kNan}, kInf, 0.0F, {0, 0, 0}},             // nothing found
      {{kInf, 1.0F, 2.0F}, 1.0F, kInf, {0, 0, 0}},             // a product that reads it is NaN
      {{-kInf, 1.0F, 2.0F}, -kInf, kInf, {0, 0, 0}},
      {{-3e38F, 3e38F, 0.0F}, -3e38F, kInf, {0, 0, 0}},  // a range beyond the floats
  };
  for (const Row& row : rows) {
    CAPTURE(row.x[0]);
    QuantizeRun run(reference_table(), RowScheme::kOwnFloor, row.x, {1, 3, 3});
    CHECK(std::bit_cast<std::uint32_t>(run.floor[0]) == std::bit_cast<std::uint32_t>(row.floor));
    CHECK(run.scale[0] == row.scale);
    CHECK(std::equal(std::begin(row.q), std::end(row.q), run.q.data()));
  }
}

}  // namespace qe::test
