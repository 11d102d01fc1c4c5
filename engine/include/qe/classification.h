// The answer of a classifier, whatever it classifies.
#pragma once

#include <vector>

namespace qe {

struct Classification {
  int label = 0;                     // index of the best label
  std::vector<float> logits;         // by label
  std::vector<float> probabilities;  // softmax, or a sigmoid each for multi-label models
  int tokens = 0;                    // of a text
  bool truncated = false;            // a text that was too long
};

// Indices of the `count` most probable labels (all, if there are fewer), the best first; of equal
// ones the lower index.
std::vector<int> top_labels(const Classification& answer, int count);

}  // namespace qe
