// One model judged on labelled texts or images: every row is classified once, in windows of bounded
// size, and only what the metrics need is kept of it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <qe/classification.h>
#include <qe/model.h>
#include <qe/plan.h>

#include "tools/support/args.h"
#include "tools/support/dataset.h"
#include "tools/support/metrics/confusion.h"
#include "tools/support/metrics/multilabel.h"
#include "tools/support/metrics/probability.h"

namespace qe::tools {

struct Evaluation {
  // `text_length`: tokens that texts are cut to; 0 for images.
  Evaluation(std::string model_directory, const Model& model, const Plan& plan, int text_length);

  // Files `answer` under a row of class `truth` (several, or none, for multi-label models).
  void add(std::span<const int> truth, const Classification& answer);

  // Share of rows that are right: the label, or for multi-label models the whole label set.
  double accuracy() const;
  // Share of rows whose label is among the five most probable; for image models of more labels.
  std::optional<double> top5_accuracy() const;
  double macro_f1() const;
  std::int64_t correct_rows() const;
  std::size_t rows() const { return correct.size(); }
  // The predictions for one row, comparable between models.
  std::span<const std::int32_t> decisions_of(std::size_t row) const;

  std::string model;
  std::vector<std::string> labels;
  bool multi_label;
  std::string scheme;       // "float", "int8 dynamic", ...
  bool integer;             // every matrix product runs in integers
  int max_length;           // of texts
  std::size_t image_bytes;  // of an image; 0 for texts
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
  std::int64_t top5_correct = 0;
  std::string pixels_xxh64 = {};  // of all images as the model got them, in order
  bool complete = true;           // false: interrupted
};

// Kept for timing; of one kind, by the kind of model.
struct Samples {
  struct Text {
    std::string text;
    std::optional<std::string> pair;
  };
  std::vector<Text> texts;
  std::vector<std::vector<std::uint8_t>> images;  // as the model gets them

  std::size_t size() const { return texts.size() + images.size(); }
};

struct EvaluationOptions {
  std::string data;
  OnError on_error = OnError::kFail;
  SharedFlags flags;
  std::size_t sample = 0;  // keep this many rows from the front
};

// A row as the hooks see it.
struct JudgedRow {
  std::size_t line = 0;  // of a table; else the place in the set, from 1
  std::string_view image;
  std::span<const int> labels;
};

struct EvaluationHooks {
  // `so_far` is the evaluation the row was added to.
  std::function<void(const Evaluation& so_far, const JudgedRow&, const Classification&)> on_row =
      {};
  std::function<void(const DataError&)> on_skip = {};
  std::function<void(std::size_t rows)> on_progress = {};
};

// Labels a multi-label answer stands for: probability at least one half.
std::vector<int> decided_labels(const Classification& answer);

// Opens `directory`, runs all rows of options.data, closes it. Stops early when interrupted.
// `samples` receives the rows kept. Images are decoded by other threads while the model computes.
// Throws what loading and reading throw; UsageError for multi-label models of images.
Evaluation evaluate(const std::filesystem::path& directory, const EvaluationOptions& options,
                    const EvaluationHooks& hooks, Samples* samples = nullptr);

// The same for models of one kind.
Evaluation evaluate_texts(const std::filesystem::path& directory, const EvaluationOptions& options,
                          const EvaluationHooks& hooks, Samples* samples);
Evaluation evaluate_images(const std::filesystem::path& directory, const EvaluationOptions& options,
                           const EvaluationHooks& hooks, Samples* samples);

}  // namespace qe::tools
