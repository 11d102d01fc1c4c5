// The books kept over a pass, and the pass over texts.
#include "tools/eval/evaluation.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <limits>
#include <numeric>
#include <utility>

#include <qe/error.h>
#include <qe/load.h>
#include <qe/text_classifier.h>

#include "tools/support/file_info.h"
#include "tools/support/models.h"
#include "tools/support/run_tool.h"

namespace qe::tools {
namespace {

// A window ends at either limit, so that neither many rows nor long ones fill the memory.
constexpr std::size_t kWindowRows = 256;
constexpr std::size_t kWindowBytes = std::size_t{1} << 20;

constexpr int kTop = 5;

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
  inputs.reserve(window.size());
  for (const Row& row : window) {
    inputs.push_back(
        {row.text, row.pair ? std::optional<std::string_view>(*row.pair) : std::nullopt});
  }
  return inputs;
}

}  // namespace

Evaluation::Evaluation(std::string model_directory, const Model& graph_model, const Plan& plan,
                       int text_length)
    : model(std::move(model_directory)),
      labels(graph_model.labels),
      multi_label(graph_model.problem == ProblemType::kMultiLabel),
      scheme(scheme_name(graph_model)),
      integer(plan.integer()),
      max_length(text_length),
      image_bytes(plan.image_bytes()),
      parameters(graph_model.parameters),
      file_bytes(weight_file_bytes(model)),
      resident_bytes(plan.weight_bytes()),
      confusion(static_cast<int>(labels.size())),
      multi(static_cast<int>(labels.size())) {}

std::vector<int> decided_labels(const Classification& answer) {
  std::vector<int> chosen;
  for (std::size_t i = 0; i < answer.probabilities.size(); ++i) {
    if (answer.probabilities[i] >= 0.5F) chosen.push_back(static_cast<int>(i));
  }
  return chosen;
}

void Evaluation::add(std::span<const int> truth, const Classification& answer) {
  if (multi_label) {
    const std::vector<int> chosen = decided_labels(answer);
    multi.add(truth, chosen);
    correct.push_back(std::equal(chosen.begin(), chosen.end(), truth.begin(), truth.end()) ? 1 : 0);
    const std::size_t first = decisions.size();
    decisions.resize(first + labels.size(), 0);
    for (const int label : chosen) decisions[first + static_cast<std::size_t>(label)] = 1;
  } else {
    const int label = truth.front();
    confusion.add(label, answer.label);
    probability.add(answer.logits, label);
    correct.push_back(answer.label == label ? 1 : 0);
    decisions.push_back(answer.label);
    if (image_bytes > 0) {
      const std::vector<int> top = top_labels(answer, kTop);
      top5_correct += std::count(top.begin(), top.end(), label);
    }
  }
  truncated += answer.truncated ? 1 : 0;
  tokens += answer.tokens;
}

double Evaluation::accuracy() const {
  if (correct.empty()) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(correct_rows()) / static_cast<double>(rows());
}

std::optional<double> Evaluation::top5_accuracy() const {
  if (image_bytes == 0 || labels.size() <= kTop) return std::nullopt;
  if (correct.empty()) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(top5_correct) / static_cast<double>(rows());
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
                    const EvaluationHooks& hooks, Samples* samples) {
  return input_kind(directory) == InputKind::kImage
             ? evaluate_images(directory, options, hooks, samples)
             : evaluate_texts(directory, options, hooks, samples);
}

Evaluation evaluate_texts(const std::filesystem::path& directory, const EvaluationOptions& options,
                          const EvaluationHooks& hooks, Samples* samples) {
  std::ifstream stream(options.data, std::ios::binary);
  if (!stream) throw IoError({.problem = std::strerror(errno), .file = options.data});
  TextClassifier classifier =
      TextClassifier::open(directory, classifier_options(options.flags, options.flags.batch));
  Evaluation result(directory.string(), classifier.model(), classifier.plan(),
                    classifier.max_length());
  Dataset dataset(stream, options.data,
                  {.labels = result.labels,
                   .multi_label = result.multi_label,
                   .on_error = options.on_error,
                   .on_skip = hooks.on_skip});
  std::vector<Row> window;
  while (!interrupted() && next_window(dataset, window)) {
    const std::vector<Classification> answers = classifier.classify(inputs_of(window));
    for (std::size_t i = 0; i < window.size(); ++i) {
      result.add(window[i].labels, answers[i]);
      if (hooks.on_row) {
        hooks.on_row(result, {.line = window[i].line, .image = {}, .labels = window[i].labels},
                     answers[i]);
      }
      if (samples != nullptr && samples->size() < options.sample) {
        samples->texts.push_back({window[i].text, window[i].pair});
      }
    }
    if (hooks.on_progress) hooks.on_progress(result.rows());
  }
  result.skipped = dataset.skipped();
  result.complete = !interrupted();
  return result;
}

}  // namespace qe::tools
