// The recipe and the tables.
#include "tools/quantize/recipe.h"

#include <algorithm>

#include <qe/version.h>

#include "tools/support/file_info.h"

namespace qe::tools {
namespace {

const char* scheme_text(ActivationScheme scheme) {
  return scheme == ActivationScheme::kStatic ? "static" : "dynamic";
}

const char* observer_text(WeightObserver observer) {
  return observer == WeightObserver::kMse ? "mse" : "absmax";
}

std::string_view observer_text(RangeObserver observer) {
  return std::find_if(kRangeObservers.begin(), kRangeObservers.end(),
                      [&](const auto& entry) { return entry.second == observer; })
      ->first;
}

std::string megabytes(double bytes) { return fixed(bytes / (1024.0 * 1024.0), 2); }

Json accuracy_json(const QuantizeRequest& request, const Evaluation& evaluation) {
  const bool images = evaluation.image_bytes > 0;
  return {{images ? "pixels_xxh64" : "data_xxh64",
           images ? evaluation.pixels_xxh64 : describe_file(request.data).xxh64},
          {"rows", evaluation.rows()},
          {"correct", evaluation.correct_rows()},
          {evaluation.multi_label ? "subset_accuracy" : "accuracy", evaluation.accuracy()},
          {"macro_f1", evaluation.macro_f1()}};
}

}  // namespace

Json recipe_json(const QuantizeRequest& request, const QuantizeOutcome& outcome) {
  Json recipe = {{"tool", "qe-quantize"},
                 {"version", kVersion},
                 {"activations", scheme_text(request.method.activations)},
                 {"weight_ranges", observer_text(request.method.weights)}};
  if (outcome.calibration_samples > 0) {
    recipe["ranges"] = observer_text(request.method.ranges);
    recipe["calibration"] = {{outcome.images ? "pixels_xxh64" : "xxh64", outcome.calibration_xxh64},
                             {outcome.images ? "images" : "texts", outcome.calibration_samples}};
  }
  if (!request.method.keep_float.empty()) recipe["keep_float"] = request.method.keep_float;
  if (request.flags.no_exif_rotation) recipe["exif_rotation"] = false;
  if (request.flags.max_length > 0) recipe["max_length"] = request.flags.max_length;
  Json tensors = Json::array();
  for (const TensorReport& tensor : outcome.tensors) {
    tensors.push_back({{"name", tensor.name},
                       {"bytes_before", tensor.bytes_before},
                       {"bytes_after", tensor.bytes_after},
                       {"sqnr_db", tensor.sqnr_db}});
  }
  recipe["tensors"] = std::move(tensors);
  if (outcome.accuracy) recipe["evaluation"] = accuracy_json(request, *outcome.accuracy);
  return recipe;
}

Table tensor_table(const QuantizeOutcome& outcome) {
  Table table{.title = "Quantized tensors",
              .header = {"tensor", "elements", "bytes before", "bytes after", "SQNR dB"}};
  for (const TensorReport& tensor : outcome.tensors) {
    table.rows.push_back({tensor.name, std::to_string(tensor.elements),
                          std::to_string(tensor.bytes_before), std::to_string(tensor.bytes_after),
                          fixed(tensor.sqnr_db, 2)});
  }
  return table;
}

Table summary_table(const QuantizeRequest& request, const QuantizeOutcome& outcome) {
  const auto before = static_cast<double>(outcome.bytes_before);
  const auto after = static_cast<double>(outcome.bytes_after);
  Table table{.title = "Summary", .header = {"figure", "value"}};
  auto& rows = table.rows;
  rows.push_back({"activations", scheme_text(request.method.activations)});
  rows.push_back({"weight ranges", observer_text(request.method.weights)});
  if (outcome.calibration_samples > 0) {
    rows.push_back({"ranges", std::string(observer_text(request.method.ranges))});
    rows.push_back({outcome.images ? "calibration images" : "calibration texts",
                    std::to_string(outcome.calibration_samples)});
  }
  rows.push_back({"weight files before (MB)", megabytes(before)});
  rows.push_back({"weight files after (MB)", megabytes(after)});
  rows.push_back({"size reduction", fixed(100.0 * (1.0 - after / before), 1) + " %"});
  if (outcome.accuracy) {
    rows.push_back({outcome.accuracy->multi_label ? "subset accuracy" : "accuracy",
                    fixed(outcome.accuracy->accuracy(), 4)});
    rows.push_back({"macro F1", fixed(outcome.accuracy->macro_f1(), 4)});
  }
  rows.push_back({"written", request.dry_run ? "no (dry run)" : request.output});
  return table;
}

}  // namespace qe::tools
