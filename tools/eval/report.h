// Evaluations and comparisons as tables and as JSON.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "tools/eval/comparison.h"
#include "tools/eval/evaluation.h"
#include "tools/support/result.h"
#include "tools/support/table.h"

namespace qe::tools {

// comparisons[i] belongs to models[i]; the first has none.
struct EvaluationReport {
  std::vector<Evaluation> models;
  std::vector<std::optional<Comparison>> comparisons;
};

// A confusion matrix of more classes is neither shown nor written down; the scores of so many
// classes are in the JSON alone.
inline constexpr std::size_t kMostShownClasses = 100;
bool shows_confusion(const Evaluation& model);

Table overview_table(const Evaluation& model);   // figure, value
Table class_table(const Evaluation& model);      // precision, recall, F1, support a class
Table confusion_table(const Evaluation& model);  // single-label models
Table comparison_table(const EvaluationReport& report);

// {models: [{..., comparison: {...}}]}, to be merged into a result.
Json report_json(const EvaluationReport& report);

}  // namespace qe::tools
