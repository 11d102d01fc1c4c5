// Log-sum-exp with the maximum taken out first.
#include "tools/support/metrics/probability.h"

#include <algorithm>
#include <cmath>

namespace qe::tools {
namespace {

double log_sum_exp(std::span<const float> logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return top + std::log(sum);
}

}  // namespace

double log_softmax(std::span<const float> logits, int label) {
  return static_cast<double>(logits[static_cast<std::size_t>(label)]) - log_sum_exp(logits);
}

double softmax_entropy(std::span<const float> logits) {
  const double normalizer = log_sum_exp(logits);
  double entropy = 0.0;
  for (const float logit : logits) {
    const double log_p = static_cast<double>(logit) - normalizer;
    entropy -= std::exp(log_p) * log_p;
  }
  return entropy;
}

void ProbabilityMeans::add(std::span<const float> logits, int truth) {
  loss_ -= log_softmax(logits, truth);
  entropy_ += softmax_entropy(logits);
  ++rows_;
}

double ProbabilityMeans::log_loss() const { return loss_ / static_cast<double>(rows_); }

double ProbabilityMeans::mean_entropy() const { return entropy_ / static_cast<double>(rows_); }

bool ProbabilityMeans::looks_broken(int classes) const {
  return rows_ > 0 && classes > 1 && mean_entropy() > 0.98 * std::log(static_cast<double>(classes));
}

}  // namespace qe::tools
