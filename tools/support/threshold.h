// Conditions under which a tool's exit code is 1: "accuracy_drop>0.01". Names are the figures that
// the tool reports; a figure that does not exist for the data at hand (null) fails every condition.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace qe::tools {

struct Threshold {
  std::string text;  // as written
  std::string figure;
  std::string relation;  // ">", ">=", "<" or "<="
  double limit = 0.0;
};

// Throws UsageError unless `text` is FIGURE RELATION NUMBER with a figure out of `known`.
Threshold parse_threshold(std::string_view text, std::span<const std::string_view> known);

// True if the condition holds, that is, if the tool must fail. NaN counts as holding.
bool exceeded(const Threshold& threshold, double value);

// Those of `thresholds` that hold for these figures, each as "accuracy_drop>0.01 (0.0123)". A
// figure that is not in `figures` does not apply and is passed over.
std::vector<std::string> failures(std::span<const Threshold> thresholds,
                                  const std::map<std::string, double, std::less<>>& figures);

}  // namespace qe::tools
