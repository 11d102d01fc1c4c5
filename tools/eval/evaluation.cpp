// The pass over the data.
#include "tools/eval/evaluation.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <numeric>
#include <utility>

#include <qe/error.h>
#include <qe/plan.h>

#include "tools/support/file_info.h"
#include "tools/support/models.h"
#include "tools/support/run_tool.h"

namespace qe::tools {
namespace {

// A window ends at either limit, so that neither many rows nor long ones fill the memory.
constexpr std::size_t kWindowRows = 256;
constexpr std::size_t kWindowBytes = std::size_t{1} << 20;

// Fills `window` with the next rows; false if there are none.
bool next_window(Dataset& dataset, std::vector<Row>& window) {
  window.clear();
  std::size_t bytes = 0;
  for (Row row; window.size() < kWindowRows && bytes < kWindowBytes && dataset.next(row);) {
    bytes += row.text.size() + (row.pair ? row.pair->size() : 0);
    window.push_back(std::move(row));
  }
  return !window.empty();
}

std::vector<TextInput> inputs_of(const std::vector<Row>& window) {
  std::vector<TextInput> inputs;
  for (const Row& row : window) {
    inputs.push_back(
        {row.text, row.pair ? std::optional<std::string_view>(*row.pair) : std::nullopt});
  }
  return inputs;
}

}  // namespace

Evaluation::Evaluation(std::string model_directory, const TextClassifier& classifier)
    : model(std::move(model_directory)),
      labels(classifier.labels()),
      multi_label(classifier.problem() == ProblemType::kMultiLabel),
      scheme(scheme_name(classifier.model())),
      integer(classifier.plan().integer()),
      max_length(classifier.max_length()),
      parameters(classifier.model().parameters),
      file_bytes(weight_file_bytes(model)),
      resident_bytes(classifier.plan().weight_bytes()),
      confusion(static_cast<int>(labels.size())),
      multi(static_cast<int>(labels.size())) {}

std::vector<int> decided_labels(const Classification& answer) {
  std::vector<int> chosen;
  for (std::size_t i = 0; i < answer.probabilities.size(); ++i) {
    if (answer.probabilities[i] >= 0.5F) chosen.push_back(static_cast<int>(i));
  }
  return chosen;
}

void Evaluation::add(const Row& row, const Classification& answer) {
  if (multi_label) {
    const std::vector<int> chosen = decided_labels(answer);
    multi.add(row.labels, chosen);
    correct.push_back(chosen == row.labels ? 1 : 0);
    const std::size_t first = decisions.size();
    decisions.resize(first + labels.size(), 0);
    for (const int label : chosen) decisions[first + static_cast<std::size_t>(label)] = 1;
  } else {
    const int truth = row.labels.front();
    confusion.add(truth, answer.label);
    probability.add(answer.logits, truth);
    correct.push_back(answer.label == truth ? 1 : 0);
    decisions.push_back(answer.label);
  }
  truncated += answer.truncated ? 1 : 0;
  tokens += answer.tokens;
}

double Evaluation::accuracy() const {
  if (correct.empty()) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(correct_rows()) / static_cast<double>(rows());
}

double Evaluation::macro_f1() const {
  return multi_label ? multi.macro_f1() : macro_average(per_class(confusion)).f1;
}

std::int64_t Evaluation::correct_rows() const {
  return std::accumulate(correct.begin(), correct.end(), std::int64_t{0});
}

std::span<const std::int32_t> Evaluation::decisions_of(std::size_t row) const {
  const std::size_t width = multi_label ? labels.size() : 1;
  return std::span(decisions).subspan(row * width, width);
}

Evaluation evaluate(const std::filesystem::path& directory, const EvaluationOptions& options,
                    const EvaluationHooks& hooks, std::vector<SampleText>* sample) {
  std::ifstream stream(options.data, std::ios::binary);
  if (!stream) throw IoError({.problem = std::strerror(errno), .file = options.data});
  TextClassifier classifier =
      TextClassifier::open(directory, classifier_options(options.flags, options.flags.batch));
  Evaluation result(directory.string(), classifier);
  Dataset dataset(stream, options.data,
                  {.labels = result.labels,
                   .multi_label = result.multi_label,
                   .on_error = options.on_error,
                   .on_skip = hooks.on_skip});
  std::vector<Row> window;
  while (!interrupted() && next_window(dataset, window)) {
    const std::vector<Classification> answers = classifier.classify(inputs_of(window));
    for (std::size_t i = 0; i < window.size(); ++i) {
      result.add(window[i], answers[i]);
      if (hooks.on_row) hooks.on_row(result, window[i], answers[i]);
      if (sample != nullptr && sample->size() < options.sample) {
        sample->push_back({window[i].text, window[i].pair});
      }
    }
    if (hooks.on_progress) hooks.on_progress(result.rows());
  }
  result.skipped = dataset.skipped();
  result.complete = !interrupted();
  return result;
}

}  // namespace qe::tools
