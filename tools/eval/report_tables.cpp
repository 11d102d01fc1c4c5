// The tables for people.
#include <cmath>
#include <string>

#include "tools/eval/report.h"
#include "tools/support/metrics/agreement.h"

namespace qe::tools {
namespace {

std::string megabytes(std::uintmax_t bytes) {
  return fixed(static_cast<double>(bytes) / (1024.0 * 1024.0), 2);
}

// A rate that stands in for 0/0 is marked.
std::string rate_cell(const Rate& rate) {
  return fixed(rate.value, 4) + (rate.undefined ? " (undefined)" : "");
}

std::string signed_points(double fraction) {
  const std::string text = fixed(100.0 * fraction, 2);
  return fraction > 0.0 ? "+" + text : text;
}

}  // namespace

bool shows_confusion(const Evaluation& model) {
  return !model.multi_label && model.labels.size() <= kMostShownClasses;
}

Table overview_table(const Evaluation& model) {
  const Interval range = wilson(model.correct_rows(), static_cast<std::int64_t>(model.rows()));
  Table table{.title = model.model + " (" + model.scheme + ")", .header = {"figure", "value"}};
  auto& rows = table.rows;
  rows.push_back({"rows", std::to_string(model.rows())});
  rows.push_back({"rows skipped", std::to_string(model.skipped)});
  if (model.image_bytes == 0) {
    rows.push_back({"rows truncated at " + std::to_string(model.max_length) + " tokens",
                    std::to_string(model.truncated)});
  }
  rows.push_back({model.multi_label ? "subset accuracy" : "accuracy", fixed(model.accuracy(), 4)});
  rows.push_back({"  95 % interval (Wilson)", interval(range.low, range.high, 4)});
  if (const auto top5 = model.top5_accuracy()) {
    rows.push_back({"top-5 accuracy", fixed(*top5, 4)});
  }
  if (model.multi_label) {
    rows.push_back({"micro F1", fixed(model.multi.micro_f1(), 4)});
    rows.push_back({"macro F1", fixed(model.macro_f1(), 4)});
  } else {
    const auto weighted = weighted_average(per_class(model.confusion));
    rows.push_back({"macro F1", fixed(model.macro_f1(), 4)});
    rows.push_back({"weighted F1", fixed(weighted.f1, 4)});
    rows.push_back({"Matthews correlation", fixed(matthews_correlation(model.confusion), 4)});
    rows.push_back({"Cohen's kappa", fixed(cohen_kappa(model.confusion), 4)});
    rows.push_back({"log-loss (nats)", fixed(model.probability.log_loss(), 4)});
    rows.push_back({"mean prediction entropy (nats)", fixed(model.probability.mean_entropy(), 4)});
  }
  rows.push_back({"weight files (MB)", megabytes(model.file_bytes)});
  rows.push_back({"resident weights (MB)", megabytes(model.resident_bytes)});
  return table;
}

Table class_table(const Evaluation& model) {
  const auto scores = model.multi_label ? model.multi.per_label() : per_class(model.confusion);
  Table table{.title = "Per class", .header = {"label", "precision", "recall", "F1", "rows"}};
  for (std::size_t i = 0; i < scores.size(); ++i) {
    table.rows.push_back({model.labels[i], rate_cell(scores[i].precision),
                          rate_cell(scores[i].recall), rate_cell(scores[i].f1),
                          std::to_string(scores[i].support)});
  }
  return table;
}

Table confusion_table(const Evaluation& model) {
  Table table{.title = "Confusion (rows: true, columns: predicted)", .header = {"true"}};
  for (const std::string& label : model.labels) table.header.push_back(label);
  for (int truth = 0; truth < model.confusion.classes(); ++truth) {
    std::vector<std::string> cells = {model.labels[static_cast<std::size_t>(truth)]};
    for (int predicted = 0; predicted < model.confusion.classes(); ++predicted) {
      cells.push_back(std::to_string(model.confusion.at(truth, predicted)));
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

Table comparison_table(const EvaluationReport& report) {
  const Evaluation& reference = report.models.front();
  Table table{.title = "Comparison on " + std::to_string(reference.rows()) + " rows, against " +
                       reference.model + "; intervals 95 %, paired",
              .header = {"model", "scheme", reference.multi_label ? "subset accuracy" : "accuracy",
                         "macro F1", "MB", "p50 ms", "size reduction", "speed-up", "retention",
                         "labels equal", "accuracy change", "McNemar p"},
              .text_columns = 2};
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    const Evaluation& model = report.models[i];
    std::vector<std::string> cells = {model.model, model.scheme, fixed(model.accuracy(), 4),
                                      fixed(model.macro_f1(), 4), megabytes(model.file_bytes)};
    if (const auto& c = report.comparisons[i]) {
      const auto& latency = c->latency;
      cells.push_back(latency ? fixed(latency->model_p50, 3) : "-");
      cells.push_back(fixed(100.0 * c->size_reduction, 1) + " %");
      cells.push_back(
          latency ? fixed(latency->speedup.median, 2) + "x " +
                        interval(latency->speedup.interval.low, latency->speedup.interval.high, 2)
                  : "-");
      cells.push_back(
          fixed(100.0 * c->retention, 2) + " % " +
          interval(100.0 * c->retention_interval.low, 100.0 * c->retention_interval.high, 2));
      cells.push_back(fixed(100.0 * c->labels_equal, 2) + " %");
      cells.push_back(signed_points(-c->accuracy_drop) + " pt " +
                      interval(-100.0 * c->accuracy_drop_interval.high,
                               -100.0 * c->accuracy_drop_interval.low, 2));
      cells.push_back(fixed(c->mcnemar.p_value, 4));
    } else {
      // The reference was timed once against each of the others; the first figure stands for it.
      const bool timed =
          report.comparisons.size() > 1 && report.comparisons[1] && report.comparisons[1]->latency;
      cells.push_back(timed ? fixed(report.comparisons[1]->latency->reference_p50, 3) : "-");
      cells.insert(cells.end(), 6, "-");
    }
    table.rows.push_back(std::move(cells));
  }
  return table;
}

}  // namespace qe::tools
