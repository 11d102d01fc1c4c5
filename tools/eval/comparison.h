// A model against the reference model, row by row on the same data: what it loses in accuracy, with
// intervals that use the pairing, and what it gains in size and speed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "tools/eval/evaluation.h"
#include "tools/support/statistics/intervals.h"
#include "tools/support/statistics/mcnemar.h"
#include "tools/support/statistics/paired_ratio.h"

namespace qe::tools {

// Latencies of single texts, in milliseconds, measured in alternation with the reference.
struct LatencyPair {
  double reference_p50 = 0.0;
  double model_p50 = 0.0;
  RatioEstimate speedup;  // reference time / model time
};

struct Comparison {
  double accuracy_drop = 0.0;       // reference - model, as a fraction
  Interval accuracy_drop_interval;  // paired bootstrap, 95 %
  double macro_f1_drop = 0.0;
  double retention = 0.0;  // model accuracy / reference accuracy
  Interval retention_interval;
  double labels_equal = 0.0;        // share of rows with the same prediction
  std::int64_t only_reference = 0;  // rows that the reference alone gets right
  std::int64_t only_model = 0;
  McNemar mcnemar;
  double size_reduction = 0.0;  // 1 - bytes / reference bytes, of the weight files
  std::optional<LatencyPair> latency;
};

// Throws UsageError if the models have different labels or saw different rows.
Comparison compare(const Evaluation& reference, const Evaluation& model, std::uint64_t seed,
                   int threads);

// Figures by the names that --fail-if knows. `comparison` is null for the reference itself.
std::map<std::string, double, std::less<>> figures(const Evaluation& model,
                                                   const Comparison* comparison);

}  // namespace qe::tools
