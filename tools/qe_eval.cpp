// qe-eval: one model's accuracy on labelled texts or images, or several models compared with the
// first.
#include <array>
#include <filesystem>
#include <iostream>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <qe/error.h>

#include "tools/eval/comparison.h"
#include "tools/eval/evaluation.h"
#include "tools/eval/latency.h"
#include "tools/eval/report.h"
#include "tools/support/args.h"
#include "tools/support/output.h"
#include "tools/support/progress.h"
#include "tools/support/result.h"
#include "tools/support/run_tool.h"
#include "tools/support/svg.h"
#include "tools/support/table.h"
#include "tools/support/threshold.h"

namespace qe::tools {
namespace {

constexpr const char* kExamples =
    "  qe-eval models/tiny-emotion --data data/demo-sentences/test.tsv\n"
    "      Accuracy, F1, a table of the classes and the confusion matrix.\n"
    "  qe-eval FLOAT_DIR INT8_DIR --data test.tsv --svg confusion.svg\n"
    "      What the second model loses and gains against the first, paired row by row.\n"
    "  qe-eval FLOAT_DIR INT8_DIR --data test.tsv --fail-if 'accuracy_drop>0.01'\n"
    "      Exit code 1 if more than one point of accuracy is lost.\n"
    "  qe-eval MODEL_DIR --data test.tsv --predictions out.jsonl --format json\n"
    "      A line a row with its logits, and every figure as JSON.\n"
    "  qe-eval INT8_DIR --data test.tsv --device cuda --batch 128\n"
    "      The same logits from the first GPU (in a build with CUDA).\n"
    "  qe-eval models/tiny-shapes --data data/demo-shapes/test.tsv --on-error skip\n"
    "      A model of images; those that cannot be decoded are named, counted and left out.\n"
    "Texts: tab-separated, a header line, columns text, label and optionally text_pair.\n"
    "Images: such a table with the columns image (a path beside it) and label; a folder with one\n"
    "folder a class; or a CIFAR-10 file (.bin). Labels are names or indices of the model.\n";

constexpr std::array<std::string_view, 11> kFigures = {
    "accuracy",      "macro_f1",       "skipped",       "truncated",
    "top5_accuracy", "accuracy_drop",  "macro_f1_drop", "retention",
    "labels_equal",  "size_reduction", "speedup"};
constexpr std::size_t kFiguresOfOneModel = 5;
constexpr std::size_t kSamples = 256;  // timed, from the front of the data

struct Options {
  std::vector<std::string> models;
  EvaluationOptions evaluation;
  std::string predictions;
  std::string svg;
  std::vector<Threshold> thresholds;
  int latency_pairs = 15;
  bool no_latency = false;
};

Options parse_options(int argc, const char* const* argv) {
  Options options;
  SharedFlags& flags = options.evaluation.flags;
  flags.batch = 32;
  flags.duration = 0.15;
  std::vector<std::string> conditions;
  std::string on_error = "fail";
  CLI::App app;
  describe(app, "qe-eval", "Evaluate classifiers on labelled texts or images and compare them.",
           kExamples);
  app.add_option("MODEL_DIR", options.models, "Model directories; the first is the reference")
      ->required();
  app.add_option("--data", options.evaluation.data, "Labelled texts or images (see below)")
      ->required()
      ->type_name("PATH");
  app.add_option("--on-error", on_error,
                 "Rows or images that cannot be used: fail, or skip and count")
      ->check(CLI::IsMember({"fail", "skip"}))
      ->type_name("WHAT")
      ->capture_default_str();
  app.add_option("--svg", options.svg, "Draw the confusion matrices")->type_name("FILE");
  app.add_option("--predictions", options.predictions, "Write a JSON line a row and model")
      ->type_name("FILE");
  app.add_option("--fail-if", conditions, "Exit with 1 if this holds, e.g. accuracy_drop>0.01")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("COND");
  app.add_option("--latency-pairs", options.latency_pairs, "Pairs of timed blocks a comparison")
      ->check(CLI::Range(1, 10'000))
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--no-latency", options.no_latency, "Compare accuracy and size alone");
  add_output(app, flags, {"table", "md", "csv", "json"});
  add_batch(app, flags);
  add_threads(app, flags);
  add_max_length(app, flags);
  add_images(app, flags);
  add_engine(app, flags);
  add_device(app, flags);
  add_timing(app, flags);
  add_seed(app, flags);
  add_progress(app, flags);
  parse(app, argc, argv, flags);
  options.evaluation.sample = options.models.size() > 1 && !options.no_latency ? kSamples : 0;
  options.evaluation.on_error = on_error == "skip" ? OnError::kSkip : OnError::kFail;
  const std::size_t known = options.models.size() > 1 ? kFigures.size() : kFiguresOfOneModel;
  for (const std::string& condition : conditions) {
    options.thresholds.push_back(parse_threshold(condition, std::span(kFigures).first(known)));
  }
  return options;
}

Json prediction_json(const Evaluation& model, const JudgedRow& row, const Classification& answer) {
  const auto names = [&](std::span<const int> labels) {
    Json list = Json::array();
    for (const int label : labels) list.push_back(model.labels[static_cast<std::size_t>(label)]);
    return list;
  };
  Json json = {{"model", model.model},
               {"line", row.line},
               {"truth", names(row.labels)},
               {"predicted",
                names(model.multi_label ? decided_labels(answer) : std::vector<int>{answer.label})},
               {"logits", answer.logits}};
  if (model.image_bytes > 0) {
    json["image"] = row.image;
  } else {
    json["tokens"] = answer.tokens;
    json["truncated"] = answer.truncated;
  }
  return json;
}

// All models one after another, so that no two are in memory at a time.
EvaluationReport evaluate_all(const Options& options, Samples& samples) {
  const SharedFlags& flags = options.evaluation.flags;
  std::optional<Output> predictions;
  if (!options.predictions.empty()) predictions.emplace(options.predictions);
  EvaluationReport report;
  for (const std::string& directory : options.models) {
    Progress progress(directory + ": rows", 0, flags);
    EvaluationHooks hooks;
    hooks.on_progress = [&](std::size_t rows) { progress.update(rows); };
    hooks.on_skip = [&](const DataError& error) {
      if (report.models.empty()) note(flags, std::string("skipped: ") + error.what());
    };
    hooks.on_row = [&](const Evaluation& model, const JudgedRow& row,
                       const Classification& answer) {
      if (predictions) write_json_line(predictions->stream(), prediction_json(model, row, answer));
    };
    report.models.push_back(
        evaluate(directory, options.evaluation, hooks, report.models.empty() ? &samples : nullptr));
    report.comparisons.emplace_back();
    if (!report.models.back().complete) break;
  }
  if (predictions) predictions->flush();
  return report;
}

// Fills in the comparisons of everything that was evaluated to the end.
void compare_all(const Options& options, const Samples& samples, EvaluationReport& report) {
  const SharedFlags& flags = options.evaluation.flags;
  const Evaluation& reference = report.models.front();
  const bool timed = !options.no_latency && samples.size() > 0;
  if (timed && report.models.size() > 1) {
    for (const std::string& warning : timing_warnings(flags.threads))
      note(flags, "note: " + warning);
  }
  for (std::size_t i = 1; i < report.models.size() && !interrupted(); ++i) {
    const Evaluation& model = report.models[i];
    report.comparisons[i] = compare(reference, model, flags.seed, flags.threads);
    if (!timed) continue;
    if (model.image_bytes != reference.image_bytes) {
      note(flags, "note: " + model.model + ": images of another size, not timed");
      continue;
    }
    Progress progress("timing " + model.model + " against " + reference.model, 0, flags);
    progress.update(0);
    report.comparisons[i]->latency =
        measure_latency(reference.model, model.model, samples, options.latency_pairs, flags);
  }
}

void write_report(const Options& options, const EvaluationReport& report) {
  const SharedFlags& flags = options.evaluation.flags;
  Output output(flags.output);
  if (flags.format == "json") {
    std::vector<std::filesystem::path> inputs(options.models.begin(), options.models.end());
    inputs.emplace_back(options.evaluation.data);
    Json result = begin_result("qe-eval", flags, inputs);
    result["complete"] = !interrupted();
    result["seed"] = flags.seed;
    result.update(report_json(report));
    write_json(output.stream(), result);
  } else if (report.models.size() > 1) {
    write_table(output.stream(), comparison_table(report), flags.format);
  } else {
    const Evaluation& model = report.models.front();
    write_table(output.stream(), overview_table(model), flags.format);
    if (model.labels.size() <= kMostShownClasses) {
      write_table(output.stream(), class_table(model), flags.format);
    }
    if (shows_confusion(model)) write_table(output.stream(), confusion_table(model), flags.format);
  }
  output.flush();
}

void write_picture(const Options& options, const EvaluationReport& report) {
  if (options.svg.empty()) return;
  if (!shows_confusion(report.models.front())) {
    throw UsageError({.problem = "needs single-label models",
                      .name = "--svg",
                      .expected = "at most " + std::to_string(kMostShownClasses) + " labels"});
  }
  std::vector<ConfusionPanel> panels;
  for (const Evaluation& model : report.models) {
    panels.push_back({model.model + " (" + model.scheme + ")", model.confusion});
  }
  Output output(options.svg);
  write_confusion_svg(output.stream(), "Confusion on " + options.evaluation.data,
                      report.models.front().labels, panels);
  output.flush();
}

void warn(const SharedFlags& flags, const EvaluationReport& report) {
  for (const Evaluation& model : report.models) {
    if (!model.multi_label && model.probability.looks_broken(model.confusion.classes())) {
      note(flags, "warning: " + model.model +
                      ": predictions are hardly better than chance in certainty; are the weights "
                      "and the " +
                      (model.image_bytes > 0 ? "preparation of images" : "tokenizer") + " right?");
    }
    if (!model.integer && model.scheme != "float") {
      note(flags, "note: " + model.model + ": some matrix products run in float");
    }
  }
}

int verdict(const Options& options, const EvaluationReport& report) {
  int code = interrupted() ? kExitInterrupted : kExitOk;
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    const auto& comparison = report.comparisons[i];
    const auto values = figures(report.models[i], comparison ? &*comparison : nullptr);
    for (const std::string& failure : failures(options.thresholds, values)) {
      std::cerr << "qe-eval: " << report.models[i].model << ": " << failure << "\n";
      if (code == kExitOk) code = kExitThreshold;
    }
  }
  return code;
}

int run(int argc, const char* const* argv) {
  const Options options = parse_options(argc, argv);
  Samples samples;
  EvaluationReport report = evaluate_all(options, samples);
  compare_all(options, samples, report);
  warn(options.evaluation.flags, report);
  write_report(options, report);
  write_picture(options, report);
  return verdict(options, report);
}

}  // namespace
}  // namespace qe::tools

int main(int argc, char** argv) {
  return qe::tools::run_tool("qe-eval", [&] { return qe::tools::run(argc, argv); });
}
