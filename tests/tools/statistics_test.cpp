// Intervals, tests and resampling against published or exhaustively computed values.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include <doctest/doctest.h>

#include "tools/support/statistics/bootstrap.h"
#include "tools/support/statistics/intervals.h"
#include "tools/support/statistics/mcnemar.h"
#include "tools/support/statistics/percentiles.h"
#include "tools/support/statistics/philox.h"

namespace qe::tools {
namespace {

doctest::Approx near(double value, double tolerance) {
  return doctest::Approx(value).epsilon(tolerance / (1.0 + std::abs(value)));
}

TEST_CASE("Wilson intervals") {
  struct Case {
    std::int64_t hits, trials;
    double low, high;
  };
  for (const Case& c :
       {Case{2, 10, .056682, .509838}, Case{0, 10, 0, .277533}, Case{10, 10, .722467, 1},
        Case{1, 1, .206549, 1}, Case{274, 332, .780801, .862360}}) {
    const Interval interval = wilson(c.hits, c.trials);
    CHECK(interval.low == near(c.low, 1e-6));
    CHECK(interval.high == near(c.high, 1e-6));
  }
  CHECK(wilson(0, 0).low == 0.0);
  CHECK(wilson(0, 0).high == 1.0);
}

TEST_CASE("Newcombe intervals for a difference of rates") {
  const Interval first = newcombe(123, 148, 130, 184);
  CHECK(first.low == near(.032772, 1e-6));
  CHECK(first.high == near(.211226, 1e-6));
  const Interval second = newcombe(2, 10, 251, 322);
  CHECK(second.low == near(-.728803, 1e-6));
  CHECK(second.high == near(-.265903, 1e-6));
}

TEST_CASE("McNemar's test") {
  const McNemar one = mcnemar(12, 5);
  CHECK(one.exact == near(.143463, 1e-6));
  CHECK(one.mid_p == near(.096252, 1e-6));
  CHECK(one.p_value == one.exact);
  const McNemar two = mcnemar(6, 16);
  CHECK(two.exact == near(.052479, 1e-6));
  CHECK(two.mid_p == near(.034690, 1e-6));
  CHECK(mcnemar(16, 6).exact == two.exact);
  CHECK(mcnemar(0, 0).p_value == 1.0);
  CHECK(mcnemar(20, 20).exact == 1.0);
  const McNemar many = mcnemar(40, 10);
  CHECK(many.p_value == many.mid_p);
  CHECK(mcnemar(1'000'000, 990'000).p_value < 1e-9);
}

TEST_CASE("quantiles of an exhaustive resampling") {
  // All 27 resamples of {1, 2, 6}.
  const std::array<double, 3> values = {1, 2, 6};
  std::vector<double> means;
  for (const double a : values) {
    for (const double b : values) {
      for (const double c : values) means.push_back((a + b + c) / 3.0);
    }
  }
  std::sort(means.begin(), means.end());
  CHECK(quantile_sorted(means, .025) == near(1.216667, 1e-6));
  CHECK(quantile_sorted(means, .975) == near(5.133333, 1e-6));
  double squares = 0.0;
  for (const double mean : means) squares += (mean - 3.0) * (mean - 3.0);
  CHECK(std::sqrt(squares / 27.0) == near(1.247219, 1e-6));

  const auto mean_of = [&](std::span<const std::uint32_t> drawn) {
    double sum = 0.0;
    for (const std::uint32_t i : drawn) sum += values[i];
    return sum / static_cast<double>(drawn.size());
  };
  const Interval interval = bootstrap(3, mean_of, {.replicates = 20'000, .seed = 7});
  // Each extreme has 1/27 of the resamples, more than either tail leaves out.
  CHECK(interval.low == 1.0);
  CHECK(interval.high == 6.0);
}

TEST_CASE("summaries of latencies") {
  const std::array<double, 10> ms = {10, 11, 11, 12, 12, 12, 13, 14, 15, 90};
  const Summary summary = summarize(ms);
  CHECK(summary.count == 10);
  CHECK(summary.mean == 20.0);
  CHECK(summary.p50 == 12.0);
  CHECK(summary.sd == near(24.639625, 1e-6));
  CHECK(summary.mad == 1.0);
  CHECK(summary.p90 == near(22.5, 1e-9));
  CHECK(summary.p99 == near(83.25, 1e-9));
  CHECK(summary.minimum == 10.0);
  CHECK(summary.maximum == 90.0);
  CHECK(summarize(std::array{4.0}).sd == 0.0);
  CHECK(std::isnan(summarize({}).mean));
  CHECK(std::isnan(median({})));
}

TEST_CASE("Philox reproduces the published known answers") {
  // random123's kat_vectors for philox4x32-10.
  using Block = std::array<std::uint32_t, 4>;
  CHECK(philox({0, 0, 0, 0}, {0, 0}) == Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8});
  constexpr std::uint32_t kOnes = 0xffffffff;
  CHECK(philox({kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}) ==
        Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd});
  CHECK(philox({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}) ==
        Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1});
}

TEST_CASE("random numbers below a bound stay below it and reach every value") {
  PhiloxStream random(1, 2);
  std::array<int, 5> seen{};
  for (int i = 0; i < 5000; ++i) ++seen.at(random.below(5));
  for (const int times : seen) CHECK(times > 800);
}

TEST_CASE("the bootstrap is the same at any thread count and differs by seed") {
  std::vector<double> values(500);
  std::iota(values.begin(), values.end(), 0.0);
  const auto mean_of = [&](std::span<const std::uint32_t> drawn) {
    double sum = 0.0;
    for (const std::uint32_t i : drawn) sum += values[i];
    return sum / static_cast<double>(drawn.size());
  };
  const Interval one = bootstrap(values.size(), mean_of, {.seed = 3, .threads = 1});
  for (const int threads : {2, 3, 7}) {
    const Interval many = bootstrap(values.size(), mean_of, {.seed = 3, .threads = threads});
    CHECK(many.low == one.low);
    CHECK(many.high == one.high);
  }
  CHECK(bootstrap(values.size(), mean_of, {.seed = 4}).low != one.low);
  // Normal theory: 249.5 +- 1.96 * 144.3 / sqrt(500).
  CHECK(one.low == near(236.9, 1.5));
  CHECK(one.high == near(262.1, 1.5));
}

TEST_CASE("replicates without a value are left out") {
  const auto nothing = [](std::span<const std::uint32_t>) {
    return std::numeric_limits<double>::quiet_NaN();
  };
  CHECK(std::isnan(bootstrap(3, nothing, {.replicates = 10}).low));
  CHECK(std::isnan(bootstrap(0, nothing, {.replicates = 10}).high));
}

}  // namespace
}  // namespace qe::tools
