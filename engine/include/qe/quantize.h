// From a float checkpoint to an 8-bit one: weights per output channel, embeddings per row,
// activations per token while running (dynamic) or by calibrated ranges (static). Deterministic:
// the same inputs give the same bytes at any thread count.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <qe/checkpoint.h>
#include <qe/model.h>

namespace qe {

enum class ActivationScheme : std::uint8_t { kDynamic, kStatic };
enum class WeightObserver : std::uint8_t { kAbsMax, kMse };

struct QuantizeOptions {
  ActivationScheme activations = ActivationScheme::kDynamic;
  WeightObserver weights = WeightObserver::kMse;
};

// What quantizing one tensor did.
struct TensorReport {
  std::string name;
  std::int64_t elements;
  std::int64_t bytes_before;
  std::int64_t bytes_after;
  double sqnr_db;  // 10 log10(sum x^2 / sum (x - q(x))^2)
};

// Range of each activation that a static model needs, by graph value; a histogram of constant size.
struct ActivationRange {
  float minimum;
  float maximum;
};
using Calibration = std::map<std::string, ActivationRange>;

struct CalibrationText {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;
};

// Runs every text by itself through the float model, `threads` of them at a time, and merges the
// statistics exactly. `progress` is called from the calling thread with texts done.
Calibration calibrate(const Model& model, std::span<const CalibrationText> texts, int threads,
                      const std::function<void(std::size_t)>& progress = {});

// Throws LoadError if the checkpoint is quantized already or holds NaN/Inf (tensor named),
// UsageError if static is asked for without a calibration.
Checkpoint quantize(const Checkpoint& checkpoint, const QuantizeOptions& options,
                    const Calibration* calibration, std::vector<TensorReport>* report = nullptr);

}  // namespace qe
