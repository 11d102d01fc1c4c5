// Counts per label; scores from the same formulas as the single-label case.
#include "tools/support/metrics/multilabel.h"

#include <algorithm>
#include <limits>
#include <numeric>

namespace qe::tools {
namespace {

std::int64_t sum(const std::vector<std::int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

}  // namespace

MultiLabelCounts::MultiLabelCounts(int labels)
    : hits_(static_cast<std::size_t>(labels)),
      truths_(static_cast<std::size_t>(labels)),
      predicted_(static_cast<std::size_t>(labels)) {}

void MultiLabelCounts::add(std::span<const int> truth, std::span<const int> predicted) {
  for (const int label : truth) {
    ++truths_[static_cast<std::size_t>(label)];
    if (std::binary_search(predicted.begin(), predicted.end(), label)) {
      ++hits_[static_cast<std::size_t>(label)];
    }
  }
  for (const int label : predicted) ++predicted_[static_cast<std::size_t>(label)];
  ++rows_;
  if (std::equal(truth.begin(), truth.end(), predicted.begin(), predicted.end())) ++exact_;
}

double MultiLabelCounts::subset_accuracy() const {
  if (rows_ == 0) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(exact_) / static_cast<double>(rows_);
}

std::vector<ClassScores> MultiLabelCounts::per_label() const {
  std::vector<ClassScores> scores;
  for (std::size_t label = 0; label < hits_.size(); ++label) {
    scores.push_back(class_scores(hits_[label], truths_[label], predicted_[label]));
  }
  return scores;
}

double MultiLabelCounts::micro_f1() const {
  return class_scores(sum(hits_), sum(truths_), sum(predicted_)).f1.value;
}

double MultiLabelCounts::macro_f1() const { return macro_average(per_label()).f1; }

}  // namespace qe::tools
