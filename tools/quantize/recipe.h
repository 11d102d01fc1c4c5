// What qe-quantize does and what it writes down about it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <qe/quantize.h>

#include "tools/eval/evaluation.h"
#include "tools/support/args.h"
#include "tools/support/result.h"
#include "tools/support/table.h"

namespace qe::tools {

struct QuantizeRequest {
  std::string model;
  std::string output;
  QuantizeOptions method;
  std::string calibration;           // TSV with a text column; static activations alone
  std::size_t calibration_rows = 0;  // from the front; 0: all
  std::string data;                  // labelled TSV; empty: no accuracy
  bool force = false;
  bool dry_run = false;
  SharedFlags flags;
};

struct QuantizeOutcome {
  std::vector<TensorReport> tensors;
  std::size_t calibration_texts = 0;
  std::uintmax_t bytes_before = 0;  // of the *.safetensors files
  std::uintmax_t bytes_after = 0;
  std::optional<Evaluation> accuracy;  // of the quantized model
};

// Loads, calibrates, quantizes, evaluates where asked, and unless it is a dry run writes the
// directory. Throws what these throw; UsageError early if the output exists.
QuantizeOutcome quantize_directory(const QuantizeRequest& request);

// What determines the result and what came out of it, for the directory: no time, path or thread
// count, so that equal inputs give equal bytes.
Json recipe_json(const QuantizeRequest& request, const QuantizeOutcome& outcome);

Table tensor_table(const QuantizeOutcome& outcome);
Table summary_table(const QuantizeRequest& request, const QuantizeOutcome& outcome);

}  // namespace qe::tools
