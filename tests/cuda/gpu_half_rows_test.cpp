// The GPU's row kernels on halves against the same functions in double precision on the same
// halves: random shapes, strides and alignments, counts below the capacity. Bounds are those of
// rounding a result to a half and of the float arithmetic before it. QE_TEST_SHAPES sets the number
// of random cases, QE_TEST_SEED their seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/cuda/half_rows.h"
#include "tests/cuda/half_matrix.h"

namespace {

namespace cuda = qe::kernels::cuda;
using cuda::Half;
using qe::test::cases;
using qe::test::check_halves;
using qe::test::count_of;
using qe::test::DeviceArray;
using qe::test::half_bits;
using qe::test::HalfMatrix;
using qe::test::place;
using qe::test::Random;
using qe::test::random_matrix;
using qe::test::require;

double activated(qe::Activation activation, double x) {
  switch (activation) {
    case qe::Activation::kGeluErf:
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case qe::Activation::kTanh:
      return std::tanh(x);
    default:
      return x;
  }
}

}  // namespace

TEST_CASE("sums of embeddings in halves") {
  Random random(qe::test::test_seed(11));
  for (int i = 0; i < cases(); ++i) {
    const int capacity = random.integer(1, 20);
    const int tokens = random.integer(0, capacity);
    const int cols = random.integer(0, 1) == 0 ? 768 : random.integer(1, 300);
    const bool types = random.integer(0, 1) == 0;
    constexpr int kRows = 9;
    std::vector<HalfMatrix> tables;
    std::vector<std::vector<std::int32_t>> ids;
    for (int table = 0; table < 3; ++table) {
      HalfMatrix m{.rows = kRows, .cols = cols, .start = 0, .ld = cols, .elements = {}};
      std::vector<float> values(static_cast<std::size_t>(kRows) * static_cast<std::size_t>(cols));
      random.fill(values, 1.0F);
      for (const float v : values) m.elements.push_back({half_bits(v)});
      tables.push_back(m);
      ids.emplace_back();
      for (int t = 0; t < capacity; ++t) ids.back().push_back(random.integer(0, kRows - 1));
    }
    const DeviceArray word(tables[0].elements);
    const DeviceArray position(tables[1].elements);
    const DeviceArray type(tables[2].elements);
    const DeviceArray word_ids(ids[0]);
    const DeviceArray position_ids(ids[1]);
    const DeviceArray type_ids(ids[2]);
    const HalfMatrix out = place(capacity, cols, random);
    const DeviceArray device(out.elements);
    const auto count = count_of(tokens);
    REQUIRE(cuda::launch_embed({.word = word.data(),
                                .position = position.data(),
                                .type = types ? type.data() : nullptr,
                                .word_ids = word_ids.data(),
                                .position_ids = position_ids.data(),
                                .type_ids = type_ids.data(),
                                .tokens = capacity,
                                .cols = cols,
                                .out = device.data() + out.start,
                                .ld_out = out.ld},
                               count.data(), nullptr) == cudaSuccess);
    require(cudaDeviceSynchronize());
    const auto sum = [&](int row, int col) {
      double y = 0;
      for (std::size_t t = 0; t < (types ? 3U : 2U); ++t) {
        y += tables[t](ids[t][static_cast<std::size_t>(row)], col);
      }
      return y;
    };
    check_halves(device, out, tokens, sum, [](int, int) { return 1e-6; });
  }
}

TEST_CASE("layer normalization of halves") {
  Random random(qe::test::test_seed(12));
  for (int i = 0; i < cases(); ++i) {
    static constexpr int kUsual[] = {384, 768, 1024, 1300};
    const int cols =
        random.integer(0, 1) == 0 ? kUsual[random.integer(0, 3)] : random.integer(1, 900);
    const int capacity = random.integer(1, 20);
    const int rows = random.integer(0, capacity);
    const HalfMatrix x = random_matrix(capacity, cols, 2.0F, random);
    std::vector<float> gamma(static_cast<std::size_t>(cols));
    std::vector<float> beta(gamma.size());
    random.fill(gamma, 1.0F);
    random.fill(beta, 1.0F);
    const HalfMatrix out = place(capacity, cols, random);
    const DeviceArray device_x(x.elements);
    const DeviceArray device_gamma(gamma);
    const DeviceArray device_beta(beta);
    const DeviceArray device(out.elements);
    const auto count = count_of(rows);
    constexpr float kEpsilon = 1e-5F;
    REQUIRE(cuda::launch_layer_norm({.x = device_x.data() + x.start,
                                     .ldx = x.ld,
                                     .rows = capacity,
                                     .cols = cols,
                                     .gamma = device_gamma.data(),
                                     .beta = device_beta.data(),
                                     .epsilon = kEpsilon,
                                     .y = device.data() + out.start,
                                     .ldy = out.ld},
                                    count.data(), nullptr) == cudaSuccess);
    require(cudaDeviceSynchronize());
    const auto normalized = [&](int row, int col) {
      double mean = 0;
      double squares = 0;
      for (int c = 0; c < cols; ++c) mean += x(row, c) / cols;
      for (int c = 0; c < cols; ++c) squares += std::pow(x(row, c) - mean, 2) / cols;
      const auto at = static_cast<std::size_t>(col);
      return (x(row, col) - mean) / std::sqrt(squares + static_cast<double>(kEpsilon)) *
                 static_cast<double>(gamma[at]) +
             static_cast<double>(beta[at]);
    };
    check_halves(device, out, rows, normalized, [](int, int) { return 1e-4; });
  }
}

TEST_CASE("chosen rows of halves are copied exactly") {
  Random random(qe::test::test_seed(13));
  for (int i = 0; i < cases(); ++i) {
    const int cols = random.integer(1, 900);
    const int capacity = random.integer(1, 9);
    const int rows = random.integer(0, capacity);
    const HalfMatrix x = random_matrix(12, cols, 1.0F, random);
    std::vector<std::int32_t> chosen;
    for (int row = 0; row < capacity; ++row) chosen.push_back(random.integer(0, 11));
    const HalfMatrix out = place(capacity, cols, random);
    const DeviceArray device_x(x.elements);
    const DeviceArray device_rows(chosen);
    const DeviceArray device(out.elements);
    const auto count = count_of(rows);
    REQUIRE(cuda::launch_select_rows({.x = device_x.data() + x.start,
                                      .ldx = x.ld,
                                      .rows = device_rows.data(),
                                      .count = capacity,
                                      .cols = cols,
                                      .y = device.data() + out.start,
                                      .ldy = out.ld},
                                     count.data(), nullptr) == cudaSuccess);
    require(cudaDeviceSynchronize());
    HalfMatrix expected = out;
    for (int row = 0; row < rows; ++row) {
      for (int col = 0; col < cols; ++col) {
        expected.elements[expected.at(row, col)] =
            x.elements[x.at(chosen[static_cast<std::size_t>(row)], col)];
      }
    }
    const std::vector<Half> answer = device.read();
    CHECK(std::equal(answer.begin(), answer.end(), expected.elements.begin(),
                     [](Half a, Half b) { return a.bits == b.bits; }));
  }
}

TEST_CASE("activation and residual of halves") {
  Random random(qe::test::test_seed(14));
  for (int i = 0; i < cases(); ++i) {
    static constexpr qe::Activation kKinds[] = {qe::Activation::kNone, qe::Activation::kGeluErf,
                                                qe::Activation::kTanh};
    const qe::Activation kind = kKinds[random.integer(0, 2)];
    const int cols = random.integer(1, 700);
    const int capacity = random.integer(1, 9);
    const int rows = random.integer(0, capacity);
    const HalfMatrix x = random_matrix(capacity, cols, 2.0F, random);
    const HalfMatrix residual = random_matrix(capacity, cols, 1.0F, random);
    const bool with_residual = random.integer(0, 1) == 0;
    HalfMatrix start = place(capacity, cols, random);
    for (int row = 0; row < rows; ++row) {
      for (int col = 0; col < cols; ++col) {
        start.elements[start.at(row, col)] = x.elements[x.at(row, col)];
      }
    }
    const DeviceArray device_residual(residual.elements);
    const DeviceArray device(start.elements);
    const auto count = count_of(rows);
    REQUIRE(cuda::launch_activation(
                {.y = device.data() + start.start,
                 .ldy = start.ld,
                 .rows = capacity,
                 .cols = cols,
                 .activation = kind,
                 .residual = with_residual ? device_residual.data() + residual.start : nullptr,
                 .ld_residual = residual.ld},
                count.data(), nullptr) == cudaSuccess);
    require(cudaDeviceSynchronize());
    const auto y = [&](int row, int col) {
      return activated(kind, x(row, col)) + (with_residual ? residual(row, col) : 0.0);
    };
    check_halves(device, start, rows, y, [](int, int) { return 5e-5; });  // docs/numerics.md's GELU
  }
}
