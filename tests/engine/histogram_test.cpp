// Ranges out of histograms: exact merging for every observer, and what each is there for.
#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include <doctest/doctest.h>

#include <qe/quantize.h>

namespace {

using qe::Histogram;
using qe::Range;
using qe::RangeObserver;

constexpr RangeObserver kObservers[] = {RangeObserver::kMinMax, RangeObserver::kAverage,
                                        RangeObserver::kPercentile, RangeObserver::kMse,
                                        RangeObserver::kEntropy};

// -1 to 3 in steps of 1/1000, in samples that all reach both ends.
std::vector<std::vector<float>> even_samples() {
  constexpr int kSamples = 5;
  std::vector<std::vector<float>> samples(kSamples, {-1.0F, 3.0F});
  for (int i = -1000; i <= 3000; ++i) {
    samples[static_cast<std::size_t>(i + 1000) % kSamples].push_back(static_cast<float>(i) /
                                                                     1000.0F);
  }
  return samples;
}

Histogram of(const std::vector<float>& values) {
  Histogram histogram;
  histogram.add(values);
  return histogram;
}

std::vector<float> normal(std::size_t count, float deviation, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0.0F, deviation);
  std::vector<float> values(count);
  for (float& value : values) value = draw(random);
  return values;
}

void check_equal(const Histogram& a, const Histogram& b) {
  CHECK(a.count() == b.count());
  for (const RangeObserver observer : kObservers) {
    for (const bool symmetric : {false, true}) {
      const Range one = a.range(observer, symmetric);
      const Range other = b.range(observer, symmetric);
      CHECK(one.minimum == other.minimum);
      CHECK(one.maximum == other.maximum);
    }
  }
}

TEST_CASE("histograms merge exactly and choose sensible ranges") {
  const auto samples = even_samples();
  Histogram whole;
  Histogram left;
  Histogram right;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    whole.add(samples[i]);
    (i < 2 ? left : right).add(samples[i]);
  }
  right.merge(left);
  check_equal(whole, right);
  for (const RangeObserver observer : kObservers) {
    for (const bool symmetric : {false, true}) {
      const Range range = whole.range(observer, symmetric);
      CHECK(range.maximum == doctest::Approx(3.0).epsilon(0.05));
      CHECK(range.minimum == doctest::Approx(symmetric ? -3.0 : -1.0).epsilon(0.05));
    }
  }
  whole.add(std::vector<float>{1000.0F});
  CHECK(whole.range(RangeObserver::kMinMax, false).maximum == 1000.0F);
  CHECK(whole.range(RangeObserver::kMse, false).maximum > 3.0F);
}

TEST_CASE("merging in any order gives the same bits") {
  constexpr unsigned kSeed = 11;
  MESSAGE("seed " << kSeed);
  std::vector<Histogram> parts;
  for (unsigned i = 0; i < 12; ++i) {
    // Extremes of very different size: floats added up would depend on their order.
    parts.push_back(of(normal(100, std::ldexp(1.0F, static_cast<int>(3 * i) - 20), kSeed + i)));
  }
  Histogram forward;
  for (const Histogram& part : parts) forward.merge(part);
  std::reverse(parts.begin(), parts.end());
  Histogram backward;
  for (const Histogram& part : parts) backward.merge(part);
  check_equal(forward, backward);
}

TEST_CASE("every range holds zero, and nothing seen is an empty one") {
  for (const RangeObserver observer : kObservers) {
    for (const bool symmetric : {false, true}) {
      const Range none = Histogram().range(observer, symmetric);
      CHECK(none.minimum == 0.0F);
      CHECK(none.maximum == 0.0F);
      Histogram zeros;
      zeros.add(std::vector<float>(10, 0.0F));
      CHECK(zeros.range(observer, symmetric).maximum == 0.0F);
    }
    const Range above = of({2.0F, 3.0F, 4.0F}).range(observer, false);
    CHECK(above.minimum == 0.0F);
    CHECK(above.maximum > 2.0F);
    const Range below = of({-2.0F, -3.0F, -4.0F}).range(observer, false);
    CHECK(below.minimum < -2.0F);
    CHECK(below.maximum == 0.0F);
  }
}

TEST_CASE("the average of the samples' extremes") {
  Histogram histogram;
  histogram.add(std::vector<float>{-1.0F, 0.5F, 4.0F});
  histogram.add(std::vector<float>{-3.0F, 8.0F});
  histogram.add({});  // no sample
  const Range range = histogram.range(RangeObserver::kAverage, false);
  CHECK(range.minimum == -2.0F);
  CHECK(range.maximum == 6.0F);
  const Range symmetric = histogram.range(RangeObserver::kAverage, true);
  CHECK(symmetric.minimum == -6.0F);
  CHECK(symmetric.maximum == 6.0F);
  // Beyond the units of the sum.
  CHECK(of({0x1p30F}).range(RangeObserver::kAverage, false).maximum == 0x1p24F);
  CHECK(of({-std::numeric_limits<float>::max()}).range(RangeObserver::kAverage, false).minimum ==
        -0x1p24F);
}

TEST_CASE("least divergence cuts outliers off and keeps what is even") {
  constexpr unsigned kSeed = 7;
  MESSAGE("seed " << kSeed);
  std::vector<float> values = normal(200'000, 1.0F, kSeed);
  values.push_back(40.0F);
  const Range two_sided = of(values).range(RangeObserver::kEntropy, false);
  CHECK(two_sided.maximum < 20.0F);
  CHECK(two_sided.maximum > 2.5F);
  CHECK(two_sided.minimum < -2.5F);
  // After a ReLU: zeros, however many, do not count, for every range holds zero exactly.
  for (float& value : values) value = std::max(value, 0.0F);
  const Range one_sided = of(values).range(RangeObserver::kEntropy, false);
  CHECK(one_sided.minimum == 0.0F);
  CHECK(one_sided.maximum < 20.0F);
  CHECK(one_sided.maximum > 2.5F);
  std::erase(values, 0.0F);
  CHECK(of(values).range(RangeObserver::kEntropy, false).maximum == one_sided.maximum);
  const Range symmetric = of(values).range(RangeObserver::kEntropy, true);
  CHECK(symmetric.maximum < 20.0F);
  CHECK(symmetric.minimum == doctest::Approx(-symmetric.maximum));
}

}  // namespace
