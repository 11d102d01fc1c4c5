// Interleaved timing. A block takes as many texts as the slower model does in the given time.
#include "tools/eval/latency.h"

#include <algorithm>
#include <chrono>
#include <numeric>
#include <utility>
#include <vector>

#include <qe/text_classifier.h>

#include "tools/support/models.h"
#include "tools/support/run_tool.h"
#include "tools/support/statistics/percentiles.h"

namespace qe::tools {
namespace {

class Timed {
 public:
  Timed(const std::filesystem::path& directory, const SharedFlags& flags)
      : classifier_(TextClassifier::open(directory, classifier_options(flags, 1))) {}

  // Milliseconds of one text.
  double classify(const SampleText& sample) {
    const TextInput input{
        sample.text, sample.pair ? std::optional<std::string_view>(*sample.pair) : std::nullopt};
    const auto start = std::chrono::steady_clock::now();
    classifier_.classify({&input, 1});
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    return took.count();
  }

  // Times `count` texts from `first` on, cyclically; their sum.
  double block(std::span<const SampleText> texts, std::size_t first, std::size_t count) {
    double sum = 0.0;
    for (std::size_t i = 0; i < count; ++i) {
      latencies_.push_back(classify(texts[(first + i) % texts.size()]));
      sum += latencies_.back();
    }
    return sum;
  }

  const std::vector<double>& latencies() const { return latencies_; }

 private:
  TextClassifier classifier_;
  std::vector<double> latencies_;
};

// Mean milliseconds a text after the warm-up.
double probe(Timed& timed, std::span<const SampleText> texts, int warmup) {
  constexpr int kProbes = 5;
  double sum = 0.0;
  for (int i = 0; i < warmup + kProbes; ++i) {
    const double took = timed.classify(texts[static_cast<std::size_t>(i) % texts.size()]);
    if (i >= warmup) sum += took;
  }
  return sum / kProbes;
}

}  // namespace

LatencyPair measure_latency(const std::filesystem::path& reference,
                            const std::filesystem::path& model, std::span<const SampleText> texts,
                            int pairs, const SharedFlags& flags) {
  Timed a(reference, flags);
  Timed b(model, flags);
  const double slower = std::max(probe(a, texts, flags.warmup), probe(b, texts, flags.warmup));
  const auto fitting = static_cast<std::size_t>(1e3 * flags.duration / std::max(slower, 1e-6));
  const std::size_t count = std::clamp<std::size_t>(fitting, 1, texts.size());
  std::vector<double> times_a;
  std::vector<double> times_b;
  for (std::size_t pair = 0; pair < static_cast<std::size_t>(pairs) && !interrupted(); ++pair) {
    const std::size_t first = pair * count;
    if (first_side_first(pair)) {
      times_a.push_back(a.block(texts, first, count));
      times_b.push_back(b.block(texts, first, count));
    } else {
      times_b.push_back(b.block(texts, first, count));
      times_a.push_back(a.block(texts, first, count));
    }
  }
  return {.reference_p50 = median(a.latencies()),
          .model_p50 = median(b.latencies()),
          .speedup = paired_ratio(times_a, times_b, flags.seed)};
}

}  // namespace qe::tools
