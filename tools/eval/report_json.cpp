// The same figures for machines, unrounded; fractions, not percentages.
#include "tools/eval/report.h"
#include "tools/support/metrics/agreement.h"

namespace qe::tools {
namespace {

Json json_of(const Interval& interval) { return Json::array({interval.low, interval.high}); }

Json json_of(const Rate& rate) {
  if (rate.undefined) return {{"value", rate.value}, {"undefined", true}};
  return rate.value;
}

Json class_json(const Evaluation& model) {
  const auto scores = model.multi_label ? model.multi.per_label() : per_class(model.confusion);
  Json list = Json::array();
  for (std::size_t i = 0; i < scores.size(); ++i) {
    list.push_back({{"label", model.labels[i]},
                    {"precision", json_of(scores[i].precision)},
                    {"recall", json_of(scores[i].recall)},
                    {"f1", json_of(scores[i].f1)},
                    {"support", scores[i].support}});
  }
  return list;
}

Json confusion_json(const ConfusionMatrix& matrix) {
  Json rows = Json::array();
  for (int truth = 0; truth < matrix.classes(); ++truth) {
    Json row = Json::array();
    for (int predicted = 0; predicted < matrix.classes(); ++predicted) {
      row.push_back(matrix.at(truth, predicted));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void add_metrics(Json& json, const Evaluation& model) {
  json[model.multi_label ? "subset_accuracy" : "accuracy"] = model.accuracy();
  json["accuracy_wilson95"] =
      json_of(wilson(model.correct_rows(), static_cast<std::int64_t>(model.rows())));
  if (const auto top5 = model.top5_accuracy()) json["top5_accuracy"] = *top5;
  json["macro_f1"] = model.macro_f1();
  if (model.multi_label) {
    json["micro_f1"] = model.multi.micro_f1();
  } else {
    json["weighted_f1"] = weighted_average(per_class(model.confusion)).f1;
    json["matthews_correlation"] = matthews_correlation(model.confusion);
    json["cohen_kappa"] = cohen_kappa(model.confusion);
    json["log_loss_nats"] = model.probability.log_loss();
    json["mean_entropy_nats"] = model.probability.mean_entropy();
    if (shows_confusion(model)) json["confusion"] = confusion_json(model.confusion);
  }
  json["classes"] = class_json(model);
}

Json comparison_json(const Comparison& c) {
  Json json = {{"accuracy_drop", c.accuracy_drop},
               {"accuracy_drop_interval95", json_of(c.accuracy_drop_interval)},
               {"macro_f1_drop", c.macro_f1_drop},
               {"retention", c.retention},
               {"retention_interval95", json_of(c.retention_interval)},
               {"labels_equal", c.labels_equal},
               {"only_reference_correct", c.only_reference},
               {"only_model_correct", c.only_model},
               {"mcnemar_exact_p", c.mcnemar.exact},
               {"mcnemar_mid_p", c.mcnemar.mid_p},
               {"size_reduction", c.size_reduction}};
  if (c.latency) {
    json["latency"] = {{"reference_p50_ms", c.latency->reference_p50},
                       {"model_p50_ms", c.latency->model_p50},
                       {"speedup", c.latency->speedup.median},
                       {"speedup_interval95", json_of(c.latency->speedup.interval)},
                       {"pairs", c.latency->speedup.pairs}};
  }
  return json;
}

}  // namespace

Json report_json(const EvaluationReport& report) {
  Json models = Json::array();
  for (std::size_t i = 0; i < report.models.size(); ++i) {
    const Evaluation& model = report.models[i];
    Json json = {{"model", model.model},
                 {"scheme", model.scheme},
                 {"integer_only", model.integer},
                 {"labels", model.labels},
                 {"parameters", model.parameters},
                 {"weight_file_bytes", model.file_bytes},
                 {"resident_weight_bytes", model.resident_bytes},
                 {"rows", model.rows()},
                 {"rows_skipped", model.skipped},
                 {"complete", model.complete}};
    if (model.image_bytes > 0) {
      json["pixels_xxh64"] = model.pixels_xxh64;
    } else {
      json["max_length"] = model.max_length;
      json["rows_truncated"] = model.truncated;
      json["tokens"] = model.tokens;
    }
    add_metrics(json, model);
    if (const auto& comparison = report.comparisons[i]) {
      json["comparison"] = comparison_json(*comparison);
    }
    models.push_back(std::move(json));
  }
  return {{"models", models}};
}

}  // namespace qe::tools
