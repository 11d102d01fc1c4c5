// Softmax and sigmoid, and the order of labels.
#include "loaders/classification.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace qe {
namespace {

std::vector<float> to_probabilities(std::span<const float> logits, ProblemType problem) {
  std::vector<float> out(logits.begin(), logits.end());
  if (problem == ProblemType::kMultiLabel) {
    for (float& x : out) x = 1.0F / (1.0F + std::exp(-x));
    return out;
  }
  const float top = *std::max_element(out.begin(), out.end());
  float sum = 0;
  for (float& x : out) sum += x = std::exp(x - top);
  for (float& x : out) x /= sum;
  return out;
}

}  // namespace

Classification classification_of(std::span<const float> logits, ProblemType problem) {
  Classification result;
  result.label = static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  result.logits.assign(logits.begin(), logits.end());
  result.probabilities = to_probabilities(logits, problem);
  return result;
}

std::vector<int> top_labels(const Classification& answer, int count) {
  // By logits: probabilities that underflow are equal.
  std::vector<int> labels(answer.logits.size());
  std::iota(labels.begin(), labels.end(), 0);
  const auto kept = std::clamp<std::ptrdiff_t>(count, 0, std::ssize(labels));
  std::partial_sort(labels.begin(), labels.begin() + kept, labels.end(), [&](int a, int b) {
    const float x = answer.logits[static_cast<std::size_t>(a)];
    const float y = answer.logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  });
  labels.resize(static_cast<std::size_t>(kept));
  return labels;
}

}  // namespace qe
