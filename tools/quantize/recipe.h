// What qe-quantize does and what it writes down about it.
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <qe/quantize.h>

#include "tools/eval/evaluation.h"
#include "tools/support/args.h"
#include "tools/support/result.h"
#include "tools/support/table.h"

namespace qe::tools {

// Ways to choose calibrated ranges, by the names that --ranges and recipes have for them.
inline constexpr std::array<std::pair<std::string_view, RangeObserver>, 5> kRangeObservers = {
    {{"minmax", RangeObserver::kMinMax},
     {"average", RangeObserver::kAverage},
     {"percentile", RangeObserver::kPercentile},
     {"mse", RangeObserver::kMse},
     {"entropy", RangeObserver::kEntropy}}};

struct QuantizeRequest {
  std::string model;
  std::string output;
  QuantizeOptions method;
  std::string calibration;           // TSV with a text column, or a set of images; empty: none
  std::size_t calibration_rows = 0;  // from the front; 0: all
  std::string data;                  // labelled; empty: no accuracy
  bool force = false;
  bool dry_run = false;
  SharedFlags flags;
};

struct QuantizeOutcome {
  std::vector<TensorReport> tensors;
  bool images = false;                  // a model of images
  std::size_t calibration_samples = 0;  // texts or images
  std::string calibration_xxh64 = {};   // of the file of texts, or of all images as they were used
  std::uintmax_t bytes_before = 0;      // of the *.safetensors files
  std::uintmax_t bytes_after = 0;
  std::optional<Evaluation> accuracy;  // of the quantized model
};

// Loads, calibrates, quantizes, evaluates where asked, and unless it is a dry run writes the
// directory. Throws what these throw; UsageError early if the output exists, or if --calibration is
// missing or not wanted.
QuantizeOutcome quantize_directory(const QuantizeRequest& request);

// What determines the result and what came out of it, for the directory: no time, path or thread
// count, so that equal inputs give equal bytes.
Json recipe_json(const QuantizeRequest& request, const QuantizeOutcome& outcome);

Table tensor_table(const QuantizeOutcome& outcome);
Table summary_table(const QuantizeRequest& request, const QuantizeOutcome& outcome);

}  // namespace qe::tools
