// One model judged on labelled texts: every row is classified once, in windows of bounded size, and
// only what the metrics need is kept of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <qe/text_classifier.h>

#include "tools/support/args.h"
#include "tools/support/dataset.h"
#include "tools/support/metrics/confusion.h"
#include "tools/support/metrics/multilabel.h"
#include "tools/support/metrics/probability.h"

namespace qe::tools {

struct Evaluation {
  Evaluation(std::string model_directory, const TextClassifier& classifier);

  // Files `answer` under row `row.labels`.
  void add(const Row& row, const Classification& answer);

  // Share of rows that are right: the label, or for multi-label models the whole label set.
  double accuracy() const;
  double macro_f1() const;
  std::int64_t correct_rows() const;
  std::size_t rows() const { return correct.size(); }
  // The predictions for one row, comparable between models.
  std::span<const std::int32_t> decisions_of(std::size_t row) const;

  std::string model;
  std::vector<std::string> labels;
  bool multi_label;
  std::string scheme;  // "float", "int8 dynamic", ...
  bool integer;        // every matrix product runs in integers
  int max_length;
  std::int64_t parameters;
  std::uintmax_t file_bytes;   // of the *.safetensors files
  std::size_t resident_bytes;  // of the packed weights

  ConfusionMatrix confusion;            // single-label models
  MultiLabelCounts multi;               // multi-label models
  ProbabilityMeans probability;         // single-label models
  std::vector<std::uint8_t> correct;    // by row
  std::vector<std::int32_t> decisions;  // by row: the label, or a 0/1 for each label
  std::size_t skipped = 0;
  std::size_t truncated = 0;
  std::int64_t tokens = 0;
  bool complete = true;  // false: interrupted
};

// A text kept for timing.
struct SampleText {
  std::string text;
  std::optional<std::string> pair;
};

struct EvaluationOptions {
  std::string data;
  OnError on_error = OnError::kFail;
  SharedFlags flags;
  std::size_t sample = 0;  // keep this many texts from the front
};

struct EvaluationHooks {
  // `so_far` is the evaluation the row was added to.
  std::function<void(const Evaluation& so_far, const Row&, const Classification&)> on_row = {};
  std::function<void(const DataError&)> on_skip = {};
  std::function<void(std::size_t rows)> on_progress = {};
};

// Labels a multi-label answer stands for: probability at least one half.
std::vector<int> decided_labels(const Classification& answer);

// Opens `directory`, runs all rows of options.data, closes it. Stops early when interrupted.
// `sample` receives the texts kept. Throws what loading and reading throw.
Evaluation evaluate(const std::filesystem::path& directory, const EvaluationOptions& options,
                    const EvaluationHooks& hooks, std::vector<SampleText>* sample = nullptr);

}  // namespace qe::tools
