// Paired statistics of two evaluations.
#include "tools/eval/comparison.h"

#include <algorithm>

#include <qe/error.h>

#include "tools/support/statistics/bootstrap.h"

namespace qe::tools {
namespace {

void require_comparable(const Evaluation& reference, const Evaluation& model) {
  if (reference.labels != model.labels || reference.multi_label != model.multi_label) {
    throw UsageError({.problem = "has other labels than " + reference.model, .file = model.model});
  }
  if (reference.rows() != model.rows()) {
    throw UsageError({.problem = "was evaluated on other rows than " + reference.model,
                      .file = model.model,
                      .expected = std::to_string(reference.rows()) + " rows",
                      .actual = std::to_string(model.rows())});
  }
}

}  // namespace

Comparison compare(const Evaluation& reference, const Evaluation& model, std::uint64_t seed,
                   int threads) {
  require_comparable(reference, model);
  Comparison result;
  std::size_t equal = 0;
  for (std::size_t row = 0; row < model.rows(); ++row) {
    const auto a = reference.decisions_of(row);
    const auto b = model.decisions_of(row);
    equal += std::equal(a.begin(), a.end(), b.begin()) ? 1 : 0;
    if (reference.correct[row] > model.correct[row]) ++result.only_reference;
    if (reference.correct[row] < model.correct[row]) ++result.only_model;
  }
  const auto sums = [&](std::span<const std::uint32_t> drawn) {
    std::pair<double, double> hits{};
    for (const std::uint32_t row : drawn) {
      hits.first += reference.correct[row];
      hits.second += model.correct[row];
    }
    return hits;
  };
  const BootstrapOptions options{.seed = seed, .threads = threads};
  result.retention_interval = bootstrap(
      model.rows(),
      [&](std::span<const std::uint32_t> drawn) {
        const auto [a, b] = sums(drawn);
        return b / a;
      },
      options);
  result.accuracy_drop_interval = bootstrap(
      model.rows(),
      [&](std::span<const std::uint32_t> drawn) {
        const auto [a, b] = sums(drawn);
        return (a - b) / static_cast<double>(drawn.size());
      },
      options);
  result.accuracy_drop = reference.accuracy() - model.accuracy();
  result.macro_f1_drop = reference.macro_f1() - model.macro_f1();
  result.retention = model.accuracy() / reference.accuracy();
  result.labels_equal = static_cast<double>(equal) / static_cast<double>(model.rows());
  result.mcnemar = mcnemar(result.only_reference, result.only_model);
  result.size_reduction =
      1.0 - static_cast<double>(model.file_bytes) / static_cast<double>(reference.file_bytes);
  return result;
}

std::map<std::string, double, std::less<>> figures(const Evaluation& model,
                                                   const Comparison* comparison) {
  std::map<std::string, double, std::less<>> values = {
      {"accuracy", model.accuracy()},
      {"macro_f1", model.macro_f1()},
      {"skipped", static_cast<double>(model.skipped)},
      {"truncated", static_cast<double>(model.truncated)}};
  if (const auto top5 = model.top5_accuracy()) values["top5_accuracy"] = *top5;
  if (comparison == nullptr) return values;
  values["accuracy_drop"] = comparison->accuracy_drop;
  values["macro_f1_drop"] = comparison->macro_f1_drop;
  values["retention"] = comparison->retention;
  values["labels_equal"] = comparison->labels_equal;
  values["size_reduction"] = comparison->size_reduction;
  if (comparison->latency) values["speedup"] = comparison->latency->speedup.median;
  return values;
}

}  // namespace qe::tools
