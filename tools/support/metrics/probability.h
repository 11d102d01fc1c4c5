// How sure a model is, from its logits: log-loss and the entropy of its predictions, both in nats.
#pragma once

#include <cstddef>
#include <span>

namespace qe::tools {

// Log of the softmax probability of class `label`, exact even where the probability underflows.
double log_softmax(std::span<const float> logits, int label);

// Entropy of the softmax distribution, in [0, ln classes].
double softmax_entropy(std::span<const float> logits);

// Running means over rows.
class ProbabilityMeans {
 public:
  void add(std::span<const float> logits, int truth);
  double log_loss() const;      // mean of -log p(truth); NaN without rows
  double mean_entropy() const;  // NaN without rows

  // A model whose mean entropy exceeds 0.98 ln(classes) knows nothing: broken weights or a wrong
  // tokenizer.
  bool looks_broken(int classes) const;

 private:
  double loss_ = 0.0;
  double entropy_ = 0.0;
  std::size_t rows_ = 0;
};

}  // namespace qe::tools
