// Single-label classification: the confusion matrix and what follows from it. Precision, recall and
// F1 with a zero denominator are 0 with a flag, as scikit-learn reports them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace qe::tools {

// counts[t * classes + p]: rows of class t predicted as p.
class ConfusionMatrix {
 public:
  explicit ConfusionMatrix(int classes);
  ConfusionMatrix(int classes, std::vector<std::int64_t> counts);

  void add(int truth, int predicted) { ++counts_[index(truth, predicted)]; }

  int classes() const { return classes_; }
  std::int64_t at(int truth, int predicted) const { return counts_[index(truth, predicted)]; }
  std::int64_t total() const;
  std::int64_t correct() const;
  std::int64_t true_count(int label) const;  // support
  std::int64_t predicted_count(int label) const;

 private:
  std::size_t index(int truth, int predicted) const {
    return static_cast<std::size_t>(truth) * static_cast<std::size_t>(classes_) +
           static_cast<std::size_t>(predicted);
  }

  int classes_;
  std::vector<std::int64_t> counts_;
};

struct Rate {
  double value = 0.0;
  bool undefined = false;  // the denominator is zero; value is 0
};

struct ClassScores {
  Rate precision;
  Rate recall;
  Rate f1;
  std::int64_t support = 0;
};

struct AverageScores {
  double precision = 0.0;
  double recall = 0.0;
  double f1 = 0.0;
};

// From true positives and the row and column sums of one class.
ClassScores class_scores(std::int64_t hits, std::int64_t support, std::int64_t predicted);

double accuracy(const ConfusionMatrix& matrix);  // NaN without rows
std::vector<ClassScores> per_class(const ConfusionMatrix& matrix);
AverageScores macro_average(std::span<const ClassScores> scores);     // plain mean over the classes
AverageScores weighted_average(std::span<const ClassScores> scores);  // weighted by support

}  // namespace qe::tools
