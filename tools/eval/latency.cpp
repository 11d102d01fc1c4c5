// Interleaved timing. A block takes as many samples as the slower model does in the given time.
#include "tools/eval/latency.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>
#include <variant>
#include <vector>

#include <qe/image_classifier.h>
#include <qe/load.h>
#include <qe/text_classifier.h>

#include "tools/support/models.h"
#include "tools/support/run_tool.h"
#include "tools/support/statistics/percentiles.h"

namespace qe::tools {
namespace {

using Classifier = std::variant<TextClassifier, ImageClassifier>;

Classifier open_classifier(const std::filesystem::path& directory, const SharedFlags& flags) {
  if (input_kind(directory) == InputKind::kImage) {
    return ImageClassifier::open(directory, image_classifier_options(flags, 1));
  }
  return TextClassifier::open(directory, classifier_options(flags, 1));
}

void classify_one(TextClassifier& classifier, const Samples& samples, std::size_t i) {
  const Samples::Text& sample = samples.texts[i];
  const TextInput input{sample.text,
                        sample.pair ? std::optional<std::string_view>(*sample.pair) : std::nullopt};
  classifier.classify({&input, 1});
}

void classify_one(ImageClassifier& classifier, const Samples& samples, std::size_t i) {
  classifier.classify_pixels(samples.images[i]);
}

class Timed {
 public:
  Timed(const std::filesystem::path& directory, const SharedFlags& flags)
      : classifier_(open_classifier(directory, flags)) {}

  // Milliseconds of the sample number i, cyclically.
  double classify(const Samples& samples, std::size_t i) {
    const auto start = std::chrono::steady_clock::now();
    std::visit([&](auto& classifier) { classify_one(classifier, samples, i % samples.size()); },
               classifier_);
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    return took.count();
  }

  // Times `count` samples from `first` on; their sum.
  double block(const Samples& samples, std::size_t first, std::size_t count) {
    double sum = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      latencies_.push_back(classify(samples, first + i));
      sum += latencies_.back();
    }
    return sum;
  }

  const std::vector<double>& latencies() const { return latencies_; }

 private:
  Classifier classifier_;
  std::vector<double> latencies_;
};

// Mean milliseconds a sample after the warm-up.
double probe(Timed& timed, const Samples& samples, int warmup) {
  constexpr int kProbes = 5;
  double sum = 0.0;
  for (int i = 0; i < warmup + kProbes; ++i) {
    const double took = timed.classify(samples, static_cast<std::size_t>(i));
    if (i >= warmup) sum += took;
  }
  return sum / kProbes;
}

}  // namespace

LatencyPair measure_latency(const std::filesystem::path& reference,
                            const std::filesystem::path& model, const Samples& samples, int pairs,
                            const SharedFlags& flags) {
  Timed a(reference, flags);
  Timed b(model, flags);
  const double slower = std::max(probe(a, samples, flags.warmup), probe(b, samples, flags.warmup));
  const auto fitting = static_cast<std::size_t>(1e3 * flags.duration / std::max(slower, 1e-6));
  const std::size_t count = std::clamp<std::size_t>(fitting, 1, samples.size());
  std::vector<double> times_a;
  std::vector<double> times_b;
  for (std::size_t pair = 0; pair < static_cast<std::size_t>(pairs) && !interrupted(); ++pair) {
    const std::size_t first = pair * count;
    if (first_side_first(pair)) {
      times_a.push_back(a.block(samples, first, count));
      times_b.push_back(b.block(samples, first, count));
    } else {
      times_b.push_back(b.block(samples, first, count));
      times_a.push_back(a.block(samples, first, count));
    }
  }
  return {.reference_p50 = median(a.latencies()),
          .model_p50 = median(b.latencies()),
          .speedup = paired_ratio(times_a, times_b, flags.seed)};
}

}  // namespace qe::tools
