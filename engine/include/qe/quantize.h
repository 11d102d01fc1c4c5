// From a float checkpoint to an 8-bit one: weights per output channel, embeddings per row,
// activations per token while running (dynamic) or by calibrated ranges (static). Feature maps of
// convolutional networks always have calibrated ranges, what is pooled from them none. Batch norms
// are folded into weights and biases. Deterministic: the same inputs give the same bytes at any
// thread count.
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
enum class RangeObserver : std::uint8_t {
  kMinMax,
  kAverage,     // mean of the samples' smallest values to mean of their largest
  kPercentile,  // the range that holds all but 1 in 20,000 values; of feature maps at most twice
                // the mean of the images' extremes
  kMse,         // the clipping of least squared error
  kEntropy,     // the clipping of least Kullback-Leibler divergence (engine/quant/entropy_range.h)
};

struct QuantizeOptions {
  ActivationScheme activations = ActivationScheme::kDynamic;
  WeightObserver weights = WeightObserver::kMse;      // of linears; embeddings take kAbsMax
  RangeObserver ranges = RangeObserver::kPercentile;  // static activations
  // Modules whose whole name matches this ECMAScript regular expression keep float weights and read
  // floats. Empty: none.
  std::string keep_float = {};
  int threads = 1;
};

// What quantizing one tensor did.
struct TensorReport {
  std::string name;
  std::int64_t elements;
  std::int64_t bytes_before;
  std::int64_t bytes_after;
  double sqnr_db;  // 10 log10(sum x^2 / sum (x - q(x))^2)
};

struct Range {
  float minimum;
  float maximum;
};

// Counts of an activation's values in a fixed set of bins (sign, binary exponent, seven bits of
// mantissa), so that no range need be known in advance, memory is constant, and merging is exact in
// any order.
class Histogram {
 public:
  Histogram();
  // All values of one sample.
  void add(std::span<const float> values);
  void merge(const Histogram& other);
  std::uint64_t count() const { return count_; }
  // Always holds zero. kMse weighs clipping against the step of an 8-bit grid; `symmetric` makes
  // minimum = -maximum.
  Range range(RangeObserver observer, bool symmetric) const;

 private:
  // A sum of 2^32 numbers at most in units of 2^-24, each cut at 2^24: integers, so that their
  // order does not matter.
  struct ExactSum {
    void add(float value);
    void merge(const ExactSum& other);
    double value() const;

    std::int64_t high = 0;  // times 2^32
    std::uint64_t low = 0;
  };

  std::vector<std::uint64_t> bins_;  // ascending by value
  std::uint64_t count_ = 0;
  float minimum_ = 0;
  float maximum_ = 0;
  std::uint64_t samples_ = 0;
  ExactSum minima_;  // of the samples' extremes
  ExactSum maxima_;
};

// By graph value.
using Calibration = std::map<std::string, Histogram>;

struct CalibrationText {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;
};

// Fills `pixels` with the next image, as ImageBatch has them; false at the end. Called from several
// threads, one at a time.
using ImageSource = std::function<bool(std::vector<std::uint8_t>& pixels)>;

// Runs every text by itself through the float model, `threads` of them at a time, and merges the
// statistics exactly. `progress` is called from the calling thread with texts done. Throws
// UsageError without texts or threads, UnsupportedError where this build runs no float models,
// ResourceError if a thread cannot be started.
Calibration calibrate(const Model& model, std::span<const CalibrationText> texts, int threads,
                      const std::function<void(std::size_t)>& progress = {});
// The same over a stream of images, in constant memory. What `source` throws passes through.
Calibration calibrate(const Model& model, const ImageSource& source, int threads,
                      const std::function<void(std::size_t)>& progress = {});

// Whether quantize() needs a calibration whatever the scheme: the model has convolutions of feature
// maps.
bool needs_calibration(const Model& model);

// Throws LoadError if the checkpoint is quantized already or holds NaN/Inf (tensor named),
// UsageError if a calibration is needed and absent, or if keep_float is no regular expression or
// matches no module.
Checkpoint quantize(const Checkpoint& checkpoint, const QuantizeOptions& options,
                    const Calibration* calibration, std::vector<TensorReport>* report = nullptr);

}  // namespace qe
