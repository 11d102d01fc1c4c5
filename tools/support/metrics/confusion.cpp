// Counting, rates and averages.
#include "tools/support/metrics/confusion.h"

#include <limits>
#include <numeric>
#include <utility>

namespace qe::tools {
namespace {

Rate ratio(double numerator, double denominator) {
  if (denominator == 0.0) return {.value = 0.0, .undefined = true};
  return {.value = numerator / denominator};
}

template <typename Weight>
AverageScores average(std::span<const ClassScores> scores, Weight weight) {
  AverageScores sum;
  double total = 0.0;
  for (const ClassScores& score : scores) {
    const double w = weight(score);
    sum.precision += w * score.precision.value;
    sum.recall += w * score.recall.value;
    sum.f1 += w * score.f1.value;
    total += w;
  }
  if (total == 0.0) return {};
  return {sum.precision / total, sum.recall / total, sum.f1 / total};
}

}  // namespace

ConfusionMatrix::ConfusionMatrix(int classes)
    : ConfusionMatrix(classes, std::vector<std::int64_t>(static_cast<std::size_t>(classes) *
                                                         static_cast<std::size_t>(classes))) {}

ConfusionMatrix::ConfusionMatrix(int classes, std::vector<std::int64_t> counts)
    : classes_(classes), counts_(std::move(counts)) {}

std::int64_t ConfusionMatrix::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), std::int64_t{0});
}

std::int64_t ConfusionMatrix::correct() const {
  std::int64_t sum = 0;
  for (int label = 0; label < classes_; ++label) sum += at(label, label);
  return sum;
}

std::int64_t ConfusionMatrix::true_count(int label) const {
  std::int64_t sum = 0;
  for (int predicted = 0; predicted < classes_; ++predicted) sum += at(label, predicted);
  return sum;
}

std::int64_t ConfusionMatrix::predicted_count(int label) const {
  std::int64_t sum = 0;
  for (int truth = 0; truth < classes_; ++truth) sum += at(truth, label);
  return sum;
}

ClassScores class_scores(std::int64_t hits, std::int64_t support, std::int64_t predicted) {
  const auto count = [](std::int64_t n) { return static_cast<double>(n); };
  return {.precision = ratio(count(hits), count(predicted)),
          .recall = ratio(count(hits), count(support)),
          .f1 = ratio(2.0 * count(hits), count(support + predicted)),
          .support = support};
}

double accuracy(const ConfusionMatrix& matrix) {
  const std::int64_t rows = matrix.total();
  if (rows == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(matrix.correct()) / static_cast<double>(rows);
}

std::vector<ClassScores> per_class(const ConfusionMatrix& matrix) {
  std::vector<ClassScores> scores;
  scores.reserve(static_cast<std::size_t>(matrix.classes()));
  for (int label = 0; label < matrix.classes(); ++label) {
    scores.push_back(class_scores(matrix.at(label, label), matrix.true_count(label),
                                  matrix.predicted_count(label)));
  }
  return scores;
}

AverageScores macro_average(std::span<const ClassScores> scores) {
  return average(scores, [](const ClassScores&) { return 1.0; });
}

AverageScores weighted_average(std::span<const ClassScores> scores) {
  return average(scores,
                 [](const ClassScores& score) { return static_cast<double>(score.support); });
}

}  // namespace qe::tools
