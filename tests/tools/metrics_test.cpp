// Classification metrics against published values: scikit-learn's own test vectors and matrices
// computed with it.
#include <array>
#include <cmath>
#include <vector>

#include <doctest/doctest.h>

#include "tools/support/metrics/agreement.h"
#include "tools/support/metrics/confusion.h"
#include "tools/support/metrics/multilabel.h"
#include "tools/support/metrics/probability.h"

namespace qe::tools {
namespace {

doctest::Approx near(double value, double tolerance) {
  // doctest scales epsilon by 1 + the larger magnitude.
  return doctest::Approx(value).epsilon(tolerance / (1.0 + std::abs(value)));
}

ConfusionMatrix count(int classes, const std::vector<int>& truth,
                      const std::vector<int>& predicted) {
  ConfusionMatrix matrix(classes);
  for (std::size_t i = 0; i < truth.size(); ++i) matrix.add(truth[i], predicted[i]);
  return matrix;
}

TEST_CASE("three classes, every score") {
  const ConfusionMatrix matrix(3, {19, 4, 1, 4, 3, 24, 0, 2, 18});
  const auto scores = per_class(matrix);
  const std::array<double, 3> precision = {.82609, .33333, .41860};
  const std::array<double, 3> recall = {.79167, .09677, .90000};
  const std::array<double, 3> f1 = {.80851, .15, .57143};
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK(scores[i].precision.value == near(precision[i], 1e-5));
    CHECK(scores[i].recall.value == near(recall[i], 1e-5));
    CHECK(scores[i].f1.value == near(f1[i], 1e-5));
    CHECK_FALSE(scores[i].f1.undefined);
  }
  const AverageScores macro = macro_average(scores);
  CHECK(macro.precision == near(.526008, 1e-6));
  CHECK(macro.recall == near(.596147, 1e-6));
  CHECK(macro.f1 == near(.509980, 1e-6));
  const AverageScores weighted = weighted_average(scores);
  CHECK(weighted.precision == near(.51375, 1e-5));
  CHECK(weighted.recall == near(.53333, 1e-5));
  CHECK(weighted.f1 == near(.47310, 1e-5));
  CHECK(matthews_correlation(matrix) == near(.383079, 1e-6));
  CHECK(cohen_kappa(matrix) == near(.332740, 1e-6));
}

TEST_CASE("two classes") {
  const ConfusionMatrix matrix(2, {22, 3, 8, 17});
  const auto scores = per_class(matrix);
  CHECK(scores[0].precision.value == near(.73, .005));
  CHECK(scores[1].precision.value == near(.85, .005));
  CHECK(scores[0].recall.value == near(.88, .005));
  CHECK(scores[1].recall.value == near(.68, .005));
  CHECK(scores[0].f1.value == near(.80, .005));
  CHECK(scores[1].f1.value == near(.76, .005));
  CHECK(matthews_correlation(matrix) == near(.57, .005));
}

TEST_CASE("averages over a choice of classes") {
  const auto all = per_class(count(4, {1, 1, 2, 3}, {1, 3, 3, 3}));
  const std::vector<ClassScores> chosen = {all[1], all[3]};
  CHECK(chosen[0].recall.value == .5);
  CHECK(chosen[1].recall.value == 1.0);
  CHECK(macro_average(chosen).recall == .75);
  CHECK(weighted_average(chosen).recall == near(2.0 / 3.0, 1e-12));
}

TEST_CASE("labels that never occur count as zero and are flagged") {
  const auto scores = per_class(count(5, {1, 3, 3, 2}, {1, 1, 3, 2}));
  const std::array<double, 5> recall = {0, 1, 1, .5, 0};
  for (std::size_t i = 0; i < 5; ++i) CHECK(scores[i].recall.value == recall[i]);
  CHECK(macro_average(scores).recall == .5);
  CHECK(scores[0].recall.undefined);
  CHECK(scores[4].precision.undefined);
  CHECK(scores[4].f1.undefined);
  CHECK_FALSE(scores[1].recall.undefined);
}

TEST_CASE("a class that is neither true nor predicted") {
  const auto scores = per_class(count(2, {0, 0}, {0, 0}));
  CHECK(scores[1].precision.value == 0.0);
  CHECK(scores[1].recall.value == 0.0);
  CHECK(scores[1].f1.value == 0.0);
}

TEST_CASE("everything wrong") {
  const AverageScores macro =
      macro_average(per_class(count(3, {0, 1, 2, 0, 1, 2}, {2, 0, 1, 1, 2, 0})));
  CHECK(macro.precision == 0.0);
  CHECK(macro.recall == 0.0);
  CHECK(macro.f1 == 0.0);
}

TEST_CASE("agreement at its edges") {
  CHECK(matthews_correlation(count(2, {0}, {1})) == 0.0);
  CHECK(cohen_kappa(ConfusionMatrix(2, {20, 20, 10, 50})) == near(.348, .0005));
  CHECK(std::isnan(cohen_kappa(count(2, {0, 0}, {0, 0}))));
}

TEST_CASE("six emotions, two published matrices") {
  const ConfusionMatrix first(
      6, {509, 25, 1, 13, 33, 0, 21, 653, 3, 1, 6,   11, 22, 123, 1, 5, 8,  0,
          114, 8,  2, 87, 64, 0, 21, 1,   0, 7, 194, 1,  3,  15,  0, 0, 27, 21});
  CHECK(accuracy(first) == .7325);
  CHECK(macro_average(per_class(first)).f1 == near(.540457, 1e-6));
  CHECK(weighted_average(per_class(first)).f1 == near(.686028, 1e-6));
  CHECK(matthews_correlation(first) == near(.644113, 1e-6));
  const ConfusionMatrix second(
      6, {565, 4, 0, 7,   5,  0, 5, 654, 27, 3, 1,   5, 1, 28, 130, 0, 0,  0,
          14,  2, 0, 247, 12, 0, 6, 0,   0,  2, 208, 8, 3, 6,  0,   0, 12, 45});
  CHECK(accuracy(second) == .9245);
  CHECK(macro_average(per_class(second)).f1 == near(.8795840980, 1e-10));
}

TEST_CASE("a matrix without rows") {
  const ConfusionMatrix empty(2);
  CHECK(std::isnan(accuracy(empty)));
  CHECK(macro_average(per_class(empty)).f1 == 0.0);
  CHECK(weighted_average(per_class(empty)).f1 == 0.0);
  CHECK(matthews_correlation(empty) == 0.0);
}

TEST_CASE("log-loss and entropy") {
  const std::array<float, 2> even = {3.0F, 3.0F};
  CHECK(log_softmax(even, 0) == near(-std::log(2.0), 1e-12));
  CHECK(softmax_entropy(even) == near(std::log(2.0), 1e-12));
  const std::array<float, 2> sure = {1000.0F, 0.0F};
  CHECK(log_softmax(sure, 1) == near(-1000.0, 1e-9));
  CHECK(softmax_entropy(sure) == near(0.0, 1e-12));
  ProbabilityMeans means;
  CHECK_FALSE(means.looks_broken(2));
  CHECK(std::isnan(means.log_loss()));
  means.add(even, 1);
  CHECK(means.looks_broken(2));
  CHECK(means.log_loss() == near(std::log(2.0), 1e-12));
  means.add(sure, 0);
  CHECK_FALSE(means.looks_broken(2));
  CHECK(means.mean_entropy() == near(std::log(2.0) / 2.0, 1e-12));
}

TEST_CASE("multi-label decisions") {
  // Truth {0,2} {1} {} {0}; predicted {0} {1} {} {1,2}: per label hits 1 1 0, truths 2 1 1,
  // predicted 1 2 1.
  const std::vector<std::vector<int>> truth = {{0, 2}, {1}, {}, {0}};
  const std::vector<std::vector<int>> predicted = {{0}, {1}, {}, {1, 2}};
  MultiLabelCounts counts(3);
  CHECK(std::isnan(counts.subset_accuracy()));
  for (std::size_t i = 0; i < truth.size(); ++i) counts.add(truth[i], predicted[i]);
  CHECK(counts.rows() == 4);
  CHECK(counts.exact_rows() == 2);
  CHECK(counts.subset_accuracy() == .5);
  CHECK(counts.micro_f1() == near(2.0 * 2.0 / (4.0 + 4.0), 1e-12));
  CHECK(counts.macro_f1() == near((2.0 / 3.0 + 2.0 / 3.0 + 0.0) / 3.0, 1e-12));
  CHECK(counts.per_label()[0].support == 2);
}

}  // namespace
}  // namespace qe::tools
