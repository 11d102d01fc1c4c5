// Row kernels but for quantize_rows: every available instruction set has the bits of the reference,
// over odd widths, row strides that misalign, arrays that end at an inaccessible page, and rows of
// special values; and the reference does what kernel_table.h says.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/reference/math.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_test.h"
#include "tests/kernels/rows_shape.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 20240611;

enum class NormCase : std::uint8_t { kFloat, kInPlaceDynamic, kDynamicOnly, kStatic };

struct NormRun {
  GuardedBuffer<float> y;
  GuardedBuffer<std::uint8_t> q;
  GuardedBuffer<float> scale, floor;

  NormRun(const KernelTable& table, GuardedBuffer<float>& x, float* gamma, float* beta, RowsShape s,
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

TEST_CASE("layer_norm: bits of the reference, every output") {
  Random random(kSeed + 1);
  for_shapes([&](RowsShape s) {
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
  for_shapes([&](RowsShape s) {
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
  for_shapes([&](RowsShape s) {
    GuardedBuffer<float> x(extent(s.rows, s.cols, s.ld));
    GuardedBuffer<float> residual(x.size());
    GuardedBuffer<float> bias(static_cast<std::size_t>(s.cols));
    random.fill(x.span(), 3.0F);
    random.fill(residual.span(), 1.0F);
    random.fill(bias.span(), 1.0F);
    plant_special_rows(x.span(), s.rows, s.cols, s.ld);
    for (const Activation activation :
         {Activation::kNone, Activation::kRelu, Activation::kGeluErf, Activation::kGeluTanh,
          Activation::kTanh, Activation::kRelu6, Activation::kSilu, Activation::kSigmoid}) {
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
  for_shapes([&](RowsShape s) {
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
