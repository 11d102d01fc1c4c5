// qe-quantize: a float model directory to an 8-bit one that Hugging Face tools load too.
#include <algorithm>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include <qe/error.h>

#include "tools/quantize/recipe.h"
#include "tools/support/args.h"
#include "tools/support/output.h"
#include "tools/support/run_tool.h"

namespace qe::tools {
namespace {

constexpr const char* kExamples =
    "  qe-quantize models/tiny-emotion out/tiny-emotion-int8\n"
    "      Weights to 8 bits; activations are quantized per token while running.\n"
    "  qe-quantize MODEL_DIR OUT_DIR --activations static --calibration train.tsv\n"
    "      Activation ranges from texts: faster still, needs texts like those to come.\n"
    "  qe-quantize models/tiny-shapes OUT_DIR --calibration data/demo-shapes/calibration.tsv\n"
    "      A convolutional network, which always needs images to calibrate with: a table, a "
    "folder\n"
    "      of images or a CIFAR-10 file. About a hundred will do; never take those of the test.\n"
    "  qe-quantize MODEL_DIR OUT_DIR --calibration images --ranges mse --keep-float 'fc|conv1'\n"
    "      Another way to choose ranges; the modules with these names stay float.\n"
    "  qe-quantize MODEL_DIR OUT_DIR --data validation.tsv\n"
    "      Also measures the accuracy and writes it into the recipe.\n"
    "  qe-quantize MODEL_DIR OUT_DIR --dry-run\n"
    "      The loss of every tensor and the size, writing nothing.\n"
    "The output appears complete or not at all, byte for byte the same for the same inputs.\n";

std::set<std::string> observer_names() {
  std::set<std::string> names;
  for (const auto& [name, observer] : kRangeObservers) names.emplace(name);
  return names;
}

RangeObserver observer_named(const std::string& name) {
  return std::find_if(kRangeObservers.begin(), kRangeObservers.end(),
                      [&](const auto& entry) { return entry.first == name; })
      ->second;
}

QuantizeRequest parse_request(int argc, const char* const* argv) {
  QuantizeRequest request;
  request.flags.batch = 32;
  std::string activations = "dynamic";
  std::string weight_ranges = "mse";
  std::string ranges = "percentile";
  CLI::App app;
  describe(app, "qe-quantize", "Quantize a classifier of texts or images to 8 bits.", kExamples);
  app.add_option("MODEL_DIR", request.model, "Float model directory")->required();
  app.add_option("OUT_DIR", request.output, "Directory to write")->required();
  app.add_option("--activations", activations, "dynamic (per token, while running) or static")
      ->check(CLI::IsMember({"dynamic", "static"}))
      ->type_name("SCHEME")
      ->capture_default_str();
  auto* const calibration =
      app.add_option("--calibration", request.calibration,
                     "Texts (TSV) to find static ranges with; images for convolutional networks")
          ->type_name("PATH");
  app.add_option("--calibration-rows", request.calibration_rows,
                 "Use this many of them (default: all)")
      ->check(CLI::Range(1, 100'000'000))
      ->type_name("N");
  app.add_option("--ranges", ranges,
                 "Calibrated ranges: minmax; average of the samples' extremes; percentile (all but "
                 "1 in 20,000); mse (least squared error); entropy (least information lost)")
      ->check(CLI::IsMember(observer_names()))
      ->type_name("METHOD")
      ->capture_default_str()
      ->needs(calibration);
  app.add_option("--keep-float", request.method.keep_float,
                 "Modules whose whole name matches stay float, e.g. 'fc' or 'layer1.*'")
      ->type_name("REGEX");
  app.add_option("--weight-ranges", weight_ranges,
                 "Ranges of weights: mse (least squared error) or absmax")
      ->check(CLI::IsMember({"mse", "absmax"}))
      ->type_name("METHOD")
      ->capture_default_str();
  app.add_option("--data", request.data, "Labelled texts or images: accuracy goes into the recipe")
      ->type_name("PATH");
  app.add_flag("--force", request.force, "Replace an existing model directory");
  app.add_flag("--dry-run", request.dry_run, "Report, and write nothing");
  add_output(app, request.flags, {"table", "md", "csv", "json"});
  add_threads(app, request.flags);
  add_max_length(app, request.flags);
  add_images(app, request.flags);
  add_engine(app, request.flags);
  add_progress(app, request.flags);
  parse(app, argc, argv, request.flags);
  request.method.activations =
      activations == "static" ? ActivationScheme::kStatic : ActivationScheme::kDynamic;
  request.method.ranges = observer_named(ranges);
  request.method.threads = request.flags.threads;
  request.method.weights = weight_ranges == "mse" ? WeightObserver::kMse : WeightObserver::kAbsMax;
  return request;
}

void write_report(const QuantizeRequest& request, const QuantizeOutcome& outcome) {
  Output output(request.flags.output);
  if (request.flags.format == "json") {
    std::vector<std::filesystem::path> inputs = {request.model};
    if (!request.calibration.empty()) inputs.emplace_back(request.calibration);
    if (!request.data.empty()) inputs.emplace_back(request.data);
    Json result = begin_result("qe-quantize", request.flags, inputs);
    result["output"] = request.dry_run ? Json(nullptr) : Json(request.output);
    result["weight_file_bytes_before"] = outcome.bytes_before;
    result["weight_file_bytes_after"] = outcome.bytes_after;
    result["recipe"] = recipe_json(request, outcome);
    write_json(output.stream(), result);
  } else {
    write_table(output.stream(), tensor_table(outcome), request.flags.format);
    write_table(output.stream(), summary_table(request, outcome), request.flags.format);
  }
  output.flush();
}

int run(int argc, const char* const* argv) {
  const QuantizeRequest request = parse_request(argc, argv);
  write_report(request, quantize_directory(request));
  return kExitOk;
}

}  // namespace
}  // namespace qe::tools

int main(int argc, char** argv) {
  return qe::tools::run_tool("qe-quantize", [&] { return qe::tools::run(argc, argv); });
}
