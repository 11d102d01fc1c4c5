// Sizes that a recorded graph is for. A graph's launches have fixed grids, so it is recorded for
// somewhat more than a batch has, and replayed for every batch that fits; rows beyond the actual
// ones are skipped by counts in the GPU's memory.
#pragma once

#include <algorithm>
#include <limits>
#include <tuple>

namespace qe::cuda {

struct Bucket {
  int sequences = 1;
  int tokens = 1;
  int longest = 1;  // sequence, in tokens: what attention's shared memory must hold

  bool operator==(const Bucket&) const = default;
  bool operator<(const Bucket& other) const {
    return std::tie(sequences, tokens, longest) <
           std::tie(other.sequences, other.tokens, other.longest);
  }
};

// The least power of two from `value` on; the largest integer where that is none.
constexpr int power_of_two(int value) {
  constexpr int kMost = std::numeric_limits<int>::max();
  int power = 1;
  while (power < value) power = power > kMost / 2 ? kMost : 2 * power;
  return power;
}

// Powers of two, and for tokens their multiples by 3/2: at most a third is too much. Never beyond
// `most`.
constexpr Bucket bucket_of(const Bucket& actual, const Bucket& most) {
  constexpr int kShortest = 64;  // below, attention's blocks get no smaller
  const int power = power_of_two(actual.tokens);
  const int tokens = power >= 4 && actual.tokens <= power / 4 * 3 ? power / 4 * 3 : power;
  return {.sequences = std::min(power_of_two(actual.sequences), most.sequences),
          .tokens = std::min(tokens, most.tokens),
          .longest = std::min(power_of_two(std::max(actual.longest, kShortest)), most.longest)};
}

}  // namespace qe::cuda
