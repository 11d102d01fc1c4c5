// The CPU: our product on a pinned team of threads, oneDNN's on OpenMP's, each block after a pause
// in which the other's threads go to sleep.
#include <chrono>
#include <thread>

#include <qe/cpu/gemm.h>
#include <qe/error.h>

#include "tools/bench/gemm/cpu_rival.h"
#include "tools/bench/gemm/device.h"
#include "tools/bench/machine_peak.h"
#include "tools/support/statistics/percentiles.h"
#include "tools/support/statistics/philox.h"

namespace qe::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr double kPeakSeconds = 0.02;
// Idle workers of either team spin for less than this before they sleep.
constexpr auto kPause = std::chrono::milliseconds(5);
constexpr double kOperationsPerMac = 2.0;

CpuOperands random_operands(const GemmShape& shape, std::uint64_t seed) {
  PhiloxStream random(seed, 0);
  constexpr std::size_t kPadding = 16;  // what kernels may read beyond the last column or byte
  const auto m = static_cast<std::size_t>(shape.m);
  const auto n = static_cast<std::size_t>(shape.n);
  const auto k = static_cast<std::size_t>(shape.k);
  CpuOperands operands;
  operands.a.resize(m * k + kPadding);
  operands.w.resize(n * k);
  for (auto& byte : operands.a) byte = static_cast<std::uint8_t>(random.below(256));
  for (auto& byte : operands.w) byte = static_cast<std::int8_t>(random.below(256));
  // The sums spread over the range of the bytes.
  operands.scale.assign(n + kPadding, 1e-3F / static_cast<float>(shape.k));
  operands.bias.assign(n + kPadding, 128.0F);
  operands.out.resize(m * n);
  return operands;
}

class CpuDevice : public GemmDevice {
 public:
  explicit CpuDevice(const GemmOptions& options) : options_(options) {}

  std::string description() const override {
    return "CPU, " + std::string(name(options_.flags.isa)) + ", " +
           std::to_string(options_.flags.threads) + " threads";
  }

  std::vector<GemmContestant> prepare(const GemmShape& shape) override {
    const SharedFlags& flags = options_.flags;
    peaks_.clear();
    operands_ = random_operands(shape, flags.seed);
    product_ = std::make_unique<cpu::Gemm>(
        GemmWeights{.w = operands_.w.data(), .ld = shape.k, .n = shape.n, .k = shape.k},
        cpu::GemmOptions{.threads = flags.threads, .pin_threads = options_.pin, .isa = flags.isa});
    arguments_ = {.a = operands_.a.data(),
                  .lda = shape.k,
                  .m = shape.m,
                  .column_scale = operands_.scale.data(),
                  .bias = operands_.bias.data(),
                  .out = operands_.out.data(),
                  .ld_out = shape.n};
    std::vector<GemmContestant> contestants = {
        contestant("qe", std::string(name(flags.isa)) + ", u8 x s8 -> u8", GemmKind::kOurs,
                   [this] { product_->run(arguments_); })};
    if (options_.compare) {
      for (const CpuRival& rival : cpu_rivals(shape, operands_, flags.threads)) {
        contestants.push_back(contestant("oneDNN", rival.detail, rival.kind, rival.run));
      }
    }
    return contestants;
  }

  void sample_peak() override {
    peaks_.push_back(
        measure_machine_peak(options_.flags.isa, options_.flags.threads, kPeakSeconds));
  }

  GemmPeak peak() const override {
    const PeakSummary summary = summarize_peaks(peaks_);
    std::vector<double> ghz;
    for (const PeakSample& sample : peaks_) ghz.push_back(sample.ghz);
    return {.tops = kOperationsPerMac * summary.gmacs * 1e-3,
            .clock_mhz = 1e3 * median(ghz),
            .invalid = summary.invalid};
  }

 private:
  GemmContestant contestant(const std::string& who, const std::string& detail, GemmKind kind,
                            std::function<void()> run) const {
    for (int i = 0; i < options_.flags.warmup; ++i) run();
    return {.name = who, .detail = detail, .kind = kind, .block = [this, run = std::move(run)] {
              return timed_block(run);
            }};
  }

  double timed_block(const std::function<void()>& run) const {
    const SharedFlags& flags = options_.flags;
    std::this_thread::sleep_for(kPause);
    run();
    std::vector<double> us;
    const auto end = Clock::now() + std::chrono::duration<double>(flags.duration);
    do {
      const Clock::time_point start = Clock::now();
      run();
      us.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
    } while (flags.iterations > 0 ? us.size() < static_cast<std::size_t>(flags.iterations)
                                  : Clock::now() < end);
    return median(us);
  }

  GemmOptions options_;
  CpuOperands operands_;
  std::unique_ptr<cpu::Gemm> product_;
  GemmOperands arguments_;
  std::vector<PeakSample> peaks_;
};

}  // namespace

std::unique_ptr<GemmDevice> cpu_gemm_device(const GemmOptions& options) {
  if (options.compare && !has_cpu_rival()) {
    throw UsageError({.problem = "this build has no oneDNN to compare with", .name = "--compare"});
  }
  return std::make_unique<CpuDevice>(options);
}

}  // namespace qe::tools
