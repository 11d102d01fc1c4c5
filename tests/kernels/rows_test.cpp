// Row kernels: every available instruction set has the bits of the reference, over odd widths,
// row strides that misalign, arrays that end at an inaccessible page, and rows of special values;
// and the reference does what kernel_table.h says.
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

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 20240611;

std::vector<int> widths() {
  std::vector<int> cols;
  for (int i = 1; i <= 65; ++i) {
    cols.push_back(i);
  }
  cols.insert(cols.end(), {127, 128, 200, 384, 768, 769});
  return cols;
}

const KernelTable& reference_table() { return kernel_table(Isa::kReference); }

// A matrix whose last row ends at the guard; rows are `ld` apart.
std::size_t extent(int rows, int cols, std::ptrdiff_t ld) {
  return static_cast<std::size_t>((rows - 1) * ld + cols);
}

struct Shape {
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
        check(Shape{rows, cols, cols + gap});
      }
    }
  }
}

constexpr float kKnownFloor = -0.17F;
constexpr float kInvScale = 30.5F;
constexpr float kZeroPoint = 111.0F;

struct QuantizeRun {
  GuardedBuffer<std::uint8_t> q;
  GuardedBuffer<float> scale, floor;

  QuantizeRun(const KernelTable& table, RowScheme scheme, const float* x, Shape s)
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

// The rule of bytes above a floor, for a row without NaN or infinity, written as the header has it.
void check_floored_row(const float* x, int cols, float floor, float scale, const std::uint8_t* q) {
  const float height = *std::max_element(x, x + cols) - floor;
  const float inv = height < 0x1p-100F ? 0.0F : 255.0F / height;
  REQUIRE(scale == (height < 0x1p-100F ? 0.0F : height / 255.0F));
  for (int i = 0; i < cols; ++i) {
    REQUIRE(q[i] == reference::round_to_u8(std::fma(x[i], inv, -floor * inv)));
    REQUIRE(std::fabs(floor + scale * q[i] - x[i]) <= 0.501F * scale + 1e-6F * std::fabs(x[i]));
  }
}

enum class NormCase : std::uint8_t { kFloat, kInPlaceDynamic, kDynamicOnly, kStatic };

struct NormRun {
  GuardedBuffer<float> y;
  GuardedBuffer<std::uint8_t> q;
  GuardedBuffer<float> scale, floor;

  NormRun(const KernelTable& table, GuardedBuffer<float>& x, float* gamma, float* beta, Shape s,
          NormCase what)
      : y(x.size()),
        q(x.size()),
        scale(static_cast<std::size_t>(s.rows)),
        floor(static_cast<std::size_t>(s.rows)) {
    std::copy(x.span().begin(), x.span().end(), y.span().begin());
    const bool in_place = what == NormCase::kInPlaceDynamic;
    const bool dynamic = in_place || what == NormCase::kDynamicOnly;
    table.layer_norm({.x = in_place ? y.data() : x.data(),
                      .ldx = s.ld,
                      .rows = s.rows,
                      .cols = s.cols,
                      .gamma = gamma,
                      .beta = beta,
                      .epsilon = 1e-12F,
                      .y = what == NormCase::kDynamicOnly ? nullptr : y.data(),
                      .ldy = s.ld,
                      .q = what == NormCase::kFloat ? nullptr : q.data(),
                      .ldq = s.ld,
                      .scale = dynamic ? scale.data() : nullptr,
                      .floor = dynamic ? floor.data() : nullptr,
                      .inv_scale = 21.5F,
                      .zero_point = 117.0F});
  }
};

}  // namespace

TEST_CASE("quantize_rows: bits of the reference under every scheme") {
  Random random(kSeed);
  for_shapes([&](Shape s) {
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
  for_shapes([&](Shape s) {
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

TEST_CASE("layer_norm: bits of the reference, every output") {
  Random random(kSeed + 1);
  for_shapes([&](Shape s) {
    GuardedBuffer<float> x(extent(s.rows, s.cols, s.ld));
    GuardedBuffer<float> gamma(static_cast<std::size_t>(s.cols));
    GuardedBuffer<float> beta(static_cast<std::size_t>(s.cols));
    random.fill(x.span(), 3.0F);
    random.fill(gamma.span(), 1.0F);
    random.fill(beta.span(), 0.5F);
    plant_special_rows(x.span(), s.rows, s.cols, s.ld);
    for (const NormCase what :
         {NormCase::kFloat, NormCase::kInPlaceDynamic, NormCase::kDynamicOnly, NormCase::kStatic}) {
      NormRun expected(reference_table(), x, gamma.data(), beta.data(), s, what);
      for (const KernelTable* table : tables_beside_reference()) {
        NormRun run(*table, x, gamma.data(), beta.data(), s, what);
        CAPTURE(table->name);
        CAPTURE(static_cast<int>(what));
        REQUIRE(same_floats(run.y.span(), expected.y.span()));
        REQUIRE(run.q.same_bytes(expected.q));
        REQUIRE(same_floats(run.scale.span(), expected.scale.span()));
        REQUIRE(same_floats(run.floor.span(), expected.floor.span()));
      }
      if (what == NormCase::kInPlaceDynamic) {
        REQUIRE(expected.floor[0] ==
                *std::min_element(expected.y.data(), expected.y.data() + s.cols));
        check_floored_row(expected.y.data(), s.cols, expected.floor[0], expected.scale[0],
                          expected.q.data());
      }
    }
  });
}

TEST_CASE("layer_norm: close to the definition in double") {
  Random random(kSeed + 2);
  constexpr int kCols = 768;
  std::vector<float> x(kCols);
  std::vector<float> gamma(kCols);
  std::vector<float> beta(kCols);
  std::vector<float> y(kCols);
  random.fill(x, 2.0F);
  random.fill(gamma, 1.0F);
  random.fill(beta, 1.0F);
  reference_table().layer_norm({.x = x.data(),
                                .ldx = kCols,
                                .rows = 1,
                                .cols = kCols,
                                .gamma = gamma.data(),
                                .beta = beta.data(),
                                .epsilon = 1e-12F,
                                .y = y.data(),
                                .ldy = kCols,
                                .q = nullptr,
                                .ldq = 0,
                                .scale = nullptr,
                                .floor = nullptr,
                                .inv_scale = 0.0F,
                                .zero_point = 0.0F});
  double mean = 0.0;
  for (const float value : x) {
    mean += value / static_cast<double>(kCols);
  }
  double variance = 0.0;
  for (const float value : x) {
    variance += (value - mean) * (value - mean) / kCols;
  }
  for (int i = 0; i < kCols; ++i) {
    const double exact = (x[i] - mean) / std::sqrt(variance + 1e-12) * gamma[i] + beta[i];
    REQUIRE(std::fabs(y[i] - exact) <= 2e-6 * std::max(1.0, std::fabs(exact)));
  }
}

TEST_CASE("embed: bits of the reference with two and three tables") {
  Random random(kSeed + 3);
  constexpr int kRows = 11;
  for_shapes([&](Shape s) {
    const auto bytes = static_cast<std::size_t>(kRows * s.cols);
    GuardedBuffer<std::int8_t> tables[3] = {GuardedBuffer<std::int8_t>(bytes),
                                            GuardedBuffer<std::int8_t>(bytes),
                                            GuardedBuffer<std::int8_t>(bytes)};
    std::vector<float> scales[3];
    std::vector<std::int32_t> ids[3];
    for (int t = 0; t < 3; ++t) {
      random.fill_bytes(tables[t].span());
      scales[t].resize(kRows);
      random.fill(scales[t], 0.01F);
      for (int i = 0; i < s.rows; ++i) {
        ids[t].push_back(random.integer(0, kRows - 1));
      }
    }
    for (const bool typed : {false, true}) {
      const auto run = [&](const KernelTable& table) {
        GuardedBuffer<float> out(extent(s.rows, s.cols, s.ld));
        table.embed(
            {.word = {tables[0].data(), scales[0].data()},
             .position = {tables[1].data(), scales[1].data()},
             .type = typed ? EmbeddingTable{tables[2].data(), scales[2].data()} : EmbeddingTable{},
             .word_ids = ids[0].data(),
             .position_ids = ids[1].data(),
             .type_ids = typed ? ids[2].data() : nullptr,
             .tokens = s.rows,
             .cols = s.cols,
             .out = out.data(),
             .ld_out = s.ld});
        CHECK(out.front_intact());
        return std::vector<float>(out.span().begin(), out.span().end());
      };
      const std::vector<float> expected = run(reference_table());
      for (const KernelTable* table : tables_beside_reference()) {
        CAPTURE(table->name);
        REQUIRE(same_floats(run(*table), expected));
      }
      const float sum =
          std::fma(static_cast<float>(tables[1][ids[1][0] * s.cols]), scales[1][ids[1][0]],
                   static_cast<float>(tables[0][ids[0][0] * s.cols]) * scales[0][ids[0][0]]);
      if (!typed) {
        REQUIRE(expected[0] == sum);
      }
    }
  });
}

TEST_CASE("bias_activation: bits of the reference, every activation") {
  Random random(kSeed + 4);
  for_shapes([&](Shape s) {
    GuardedBuffer<float> x(extent(s.rows, s.cols, s.ld));
    GuardedBuffer<float> residual(x.size());
    GuardedBuffer<float> bias(static_cast<std::size_t>(s.cols));
    random.fill(x.span(), 3.0F);
    random.fill(residual.span(), 1.0F);
    random.fill(bias.span(), 1.0F);
    plant_special_rows(x.span(), s.rows, s.cols, s.ld);
    for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kGeluErf,
                                        Activation::kGeluTanh, Activation::kTanh,
                                        Activation::kRelu6, Activation::kSilu, Activation::kSigmoid}) {
      for (const bool extras : {false, true}) {
        const auto run = [&](const KernelTable& table) {
          GuardedBuffer<float> y(x.size());
          std::copy(x.span().begin(), x.span().end(), y.span().begin());
          table.bias_activation({.x = y.data(),
                                 .ldx = s.ld,
                                 .rows = s.rows,
                                 .cols = s.cols,
                                 .bias = extras ? bias.data() : nullptr,
                                 .activation = activation,
                                 .residual = extras ? residual.data() : nullptr,
                                 .ld_residual = s.ld});
          return std::vector<float>(y.span().begin(), y.span().end());
        };
        const std::vector<float> expected = run(reference_table());
        for (const KernelTable* table : tables_beside_reference()) {
          CAPTURE(table->name);
          CAPTURE(static_cast<int>(activation));
          REQUIRE(same_floats(run(*table), expected));
        }
        if (activation == Activation::kGeluErf && extras) {
          REQUIRE(expected[0] == reference::gelu_erf_precise(x[0] + bias[0]) + residual[0]);
        }
      }
    }
  });
}

TEST_CASE("softmax_f32: bits of the reference, rows that sum to one") {
  Random random(kSeed + 5);
  for_shapes([&](Shape s) {
    GuardedBuffer<float> x(extent(s.rows, s.cols, s.ld));
    random.fill(x.span(), 8.0F);
    plant_special_rows(x.span(), s.rows, s.cols, s.ld);
    const auto run = [&](const KernelTable& table) {
      GuardedBuffer<float> y(x.size());
      std::copy(x.span().begin(), x.span().end(), y.span().begin());
      table.softmax_f32(
          {.x = y.data(), .ldx = s.ld, .rows = s.rows, .cols = s.cols, .scale = 0.125F});
      return std::vector<float>(y.span().begin(), y.span().end());
    };
    const std::vector<float> expected = run(reference_table());
    for (const KernelTable* table : tables_beside_reference()) {
      CAPTURE(table->name);
      REQUIRE(same_floats(run(*table), expected));
    }
    double largest = -1e300;
    for (int i = 0; i < s.cols; ++i) {
      largest = std::max(largest, static_cast<double>(x[i]));
    }
    double sum = 0.0;
    for (int i = 0; i < s.cols; ++i) {
      sum += std::exp(0.125 * (x[i] - largest));
    }
    for (int i = 0; i < s.cols; ++i) {
      REQUIRE(std::fabs(expected[i] - std::exp(0.125 * (x[i] - largest)) / sum) <= 2e-6);
    }
  });
}

}  // namespace qe::test
