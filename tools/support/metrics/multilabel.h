// Multi-label classification: each label of each row is a decision of its own.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tools/support/metrics/confusion.h"

namespace qe::tools {

class MultiLabelCounts {
 public:
  explicit MultiLabelCounts(int labels);

  // Sorted label indices, each at most once.
  void add(std::span<const int> truth, std::span<const int> predicted);

  std::int64_t rows() const { return rows_; }
  std::int64_t exact_rows() const { return exact_; }
  double subset_accuracy() const;  // share of rows whose label sets are equal; NaN without rows
  std::vector<ClassScores> per_label() const;
  double micro_f1() const;  // over all decisions; 0 where nothing is true or predicted
  double macro_f1() const;  // mean of the labels' F1

 private:
  std::vector<std::int64_t> hits_;
  std::vector<std::int64_t> truths_;
  std::vector<std::int64_t> predicted_;
  std::int64_t rows_ = 0;
  std::int64_t exact_ = 0;
};

}  // namespace qe::tools
