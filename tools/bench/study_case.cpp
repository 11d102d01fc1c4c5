// Blocks and their order: A B B A, the peak of the machine between the two blocks of every pair.
#include <algorithm>
#include <chrono>
#include <utility>

#include "tools/bench/study.h"
#include "tools/support/run_tool.h"

namespace qe::tools {
namespace {

constexpr double kPeakSeconds = 0.02;

using Clock = std::chrono::steady_clock;

// One side of a pair: a session and the samples of its blocks.
class Side {
 public:
  Side(const Contestant& contestant, int threads, bool pin)
      : session_(make_session(contestant, threads, pin)) {}

  // Milliseconds of the slowest of `runs` runs (at least one), none of them kept.
  double warm_up(std::span<const Request> requests, int runs) {
    double slowest = 0.0;
    for (int i = 0; i < std::max(runs, 1); ++i) {
      const Request& request = requests[static_cast<std::size_t>(i) % requests.size()];
      slowest = std::max(slowest, timed_run(session_, request));
    }
    return slowest;
  }

  // The same request again and again, `iterations` times or for `seconds`; the median.
  double repeat(const Request& request, int iterations, double seconds) {
    std::vector<double> samples;
    const auto end = Clock::now() + std::chrono::duration<double>(seconds);
    do {
      samples.push_back(timed_run(session_, request));
    } while (iterations > 0 ? samples.size() < static_cast<std::size_t>(iterations)
                            : Clock::now() < end);
    blocks.push_back(std::move(samples));
    return median(blocks.back());
  }

  // `count` different requests from number `first` on, cyclically; the mean.
  double walk(std::span<const Request> requests, std::size_t first, std::size_t count) {
    std::vector<double> samples;
    for (std::size_t i = 0; i < count; ++i) {
      samples.push_back(timed_run(session_, requests[(first + i) % requests.size()]));
    }
    blocks.push_back(std::move(samples));
    return summarize(blocks.back()).mean;
  }

  std::vector<std::vector<double>> blocks;

 private:
  Session session_;
};

void fill_speeds(Series& series, const Plan& plan, std::span<const Request> requests,
                 const std::optional<PeakSummary>& peak) {
  std::vector<double> all;
  for (const auto& block : series.blocks) all.insert(all.end(), block.begin(), block.end());
  series.latency = summarize(all);
  double macs = 0.0;
  double samples = 0.0;
  for (const Request& request : requests) {
    samples += request.samples();
    if (request.images > 0) macs += static_cast<double>(plan.macs(1, request.images));
    for (std::size_t i = 1; i < request.offsets.size(); ++i) {
      macs += static_cast<double>(plan.macs(request.offsets[i] - request.offsets[i - 1], 1));
    }
  }
  // Of the mean request; mixed requests differ, so their speed is taken from the mean latency.
  const double runs = static_cast<double>(requests.size());
  const double ms = requests.size() == 1 ? series.latency.p50 : series.latency.mean;
  series.samples_per_second = 1e3 * samples / runs / ms;
  series.gmacs = macs / runs / ms * 1e-6;
  if (peak) series.share_of_peak = series.gmacs / peak->gmacs;
}

Series make_series(const Contestant& contestant, std::vector<std::vector<double>> blocks) {
  Series series;
  series.model = contestant.directory;
  series.scheme = contestant.scheme;
  series.variant = contestant.variant.text;
  series.blocks = std::move(blocks);
  return series;
}

// How many mixed requests the slower side gets through in one block.
std::size_t requests_a_block(std::size_t requests, double slowest_ms, const SharedFlags& flags) {
  if (flags.iterations > 0) return static_cast<std::size_t>(flags.iterations);
  const auto fitting = static_cast<std::size_t>(1e3 * flags.duration / std::max(slowest_ms, 1e-6));
  return std::clamp<std::size_t>(fitting, 1, requests);
}

}  // namespace

std::optional<StudyCase> run_case(const Study& study, const CaseInputs& inputs,
                                  const StudyOptions& options) {
  const SharedFlags& flags = options.flags;
  const Contestant& first = study.contestants.front();
  Side reference(first, inputs.threads, options.pin);
  const double reference_ms_each = reference.warm_up(inputs.requests, flags.warmup);
  const bool on_cpu = first.plan->device().kind == DeviceSpec::Kind::kCpu;
  std::vector<PeakSample> peaks;
  StudyCase result;
  // Opponent 0 is the reference again: what a ratio of equal things looks like here.
  for (std::size_t opponent = 0; opponent < study.contestants.size(); ++opponent) {
    const Contestant& contestant = study.contestants[opponent];
    Side other(contestant, inputs.threads, options.pin);
    const double slowest =
        std::max(reference_ms_each, other.warm_up(inputs.requests, flags.warmup));
    const std::size_t count = requests_a_block(inputs.requests.size(), slowest, flags);
    std::vector<double> reference_ms;
    std::vector<double> other_ms;
    const auto measure = [&](Side& side, std::vector<double>& into, std::size_t pair) {
      // Mixed requests: both blocks of a pair run the same ones, the next pair the next ones.
      into.push_back(inputs.requests.size() == 1
                         ? side.repeat(inputs.requests[0], flags.iterations, flags.duration)
                         : side.walk(inputs.requests, pair * count, count));
    };
    for (std::size_t pair = 0; pair < static_cast<std::size_t>(options.pairs); ++pair) {
      if (interrupted()) return std::nullopt;
      const bool in_order = first_side_first(pair);
      measure(in_order ? reference : other, in_order ? reference_ms : other_ms, pair);
      if (on_cpu) {
        peaks.push_back(measure_machine_peak(first.plan->isa(), inputs.threads, kPeakSeconds));
      }
      measure(in_order ? other : reference, in_order ? other_ms : reference_ms, pair);
    }
    Series series = make_series(contestant, std::move(other.blocks));
    series.is_null = opponent == 0;
    series.speedup = paired_ratio(reference_ms, other_ms, flags.seed);
    result.series.push_back(std::move(series));
  }
  result.series.insert(result.series.begin(), make_series(first, std::move(reference.blocks)));
  if (on_cpu) result.peak = summarize_peaks(peaks);
  for (std::size_t i = 0; i < result.series.size(); ++i) {
    const std::size_t owner = i < 2 ? 0 : i - 1;
    fill_speeds(result.series[i], *study.contestants[owner].plan, inputs.requests, result.peak);
  }
  return result;
}

}  // namespace qe::tools
