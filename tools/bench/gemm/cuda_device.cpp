// A GPU: products replayed from recorded launches, which walk through several sets of random
// operands, so that none is read from the cache that its last use left it in.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

#include <qe/cuda/gemm.h>
#include <qe/error.h>

#include "tools/bench/gemm/cublaslt_rival.h"
#include "tools/bench/gemm/cuda_kernels.h"
#include "tools/bench/gemm/cuda_operands.h"
#include "tools/bench/gemm/cuda_resources.h"
#include "tools/bench/gemm/device.h"
#include "tools/support/statistics/percentiles.h"

namespace qe::tools {
namespace {

using Clock = std::chrono::steady_clock;

// Of a replay: the events' own cost is spread over them, and they last longer than the host takes
// to launch the next replay.
constexpr int kLeastLaunches = 20;

// Integer operations that one multiprocessor's tensor cores finish in a cycle, dense, from the
// datasheets' rates; 0 where this is not known.
int operations_per_cycle(const cuda::Device& device) {
  if (device.major == 9 && device.minor == 0) return 8192;
  if (device.major == 8) return device.minor == 0 ? 4096 : 2048;
  return 0;
}

class CudaDevice : public GemmDevice {
 public:
  CudaDevice(int index, const GemmOptions& options) : options_(options), gemm_(index) {
    check_cuda(cudaSetDevice(index), "choosing the device");
    int bytes = 0;
    check_cuda(cudaDeviceGetAttribute(&bytes, cudaDevAttrL2CacheSize, index),
               "asking for the cache");
    cache_bytes_ = static_cast<std::size_t>(bytes);
    stream_.emplace();
    clock_ = DeviceMemory(2 * sizeof(std::uint64_t));
    workspace_ = DeviceMemory(kLtWorkspaceBytes);
  }

  std::string description() const override {
    const cuda::Device& device = gemm_.device();
    return device.name + ", compute capability " + std::to_string(device.major) + "." +
           std::to_string(device.minor) + ", " + std::to_string(device.multiprocessors) +
           " multiprocessors";
  }

  std::vector<GemmContestant> prepare(const GemmShape& shape) override {
    if (shape.k % 16 != 0 || shape.n % 16 != 0) {
      throw UsageError({.problem = "rows of a GPU's operands begin at multiples of 16 bytes",
                        .name = shape.name,
                        .expected = "N and K that are multiples of 16"});
    }
    shape_ = shape;
    clocks_mhz_.clear();
    replays_.clear();
    // The old ones first: there may not be memory for both.
    operands_.reset();
    operands_.emplace(shape, options_, cache_bytes_, stream());
    std::vector<GemmContestant> contestants;
    const cuda::GemmKernel chosen = gemm_.chosen(shape.m, shape.n, shape.k);
    contestants.push_back(ours(chosen));
    if (options_.all_kernels) {
      for (const cuda::GemmKernel kernel : gemm_.kernels(shape.m, shape.n, shape.k)) {
        contestants.push_back(ours(kernel));
      }
    }
    if (options_.compare) add_rivals(contestants);
    return contestants;
  }

  // While the clock is what our product makes it.
  void sample_peak() override {
    replays_.front()->enqueue();
    check_cuda(count_clock(clock_.as<std::uint64_t>(), stream()), "counting cycles");
    std::uint64_t counts[2] = {};
    check_cuda(
        cudaMemcpyAsync(counts, clock_.data(), sizeof(counts), cudaMemcpyDeviceToHost, stream()),
        "reading the clock");
    cuda::synchronize(stream());
    clocks_mhz_.push_back(1e3 * static_cast<double>(counts[0]) / static_cast<double>(counts[1]));
  }

  GemmPeak peak() const override {
    const double mhz = median(clocks_mhz_);
    const cuda::Device& device = gemm_.device();
    GemmPeak result{.clock_mhz = mhz};
    result.tops = 1e-6 * mhz * device.multiprocessors * operations_per_cycle(device);
    if (result.tops <= 0.0) result.invalid = "this GPU's dense rate is not known";
    return result;
  }

  std::string agreement() override {
    if (!options_.compare || !requantized_) return {};
    const std::size_t bytes = static_cast<std::size_t>(shape_.m) * shape_.n;
    std::vector<std::uint8_t> results[2];
    run_ours(gemm_.chosen(shape_.m, shape_.n, shape_.k), 0);
    read(results[0], bytes);
    check_cuda(cudaMemsetAsync(operands_->out.at(0), 0, bytes, stream()), "clearing a result");
    requantized_(0);
    read(results[1], bytes);
    return results[0] == results[1] ? "same bytes" : "different";
  }

 private:
  cudaStream_t stream() const { return stream_->get(); }

  void read(std::vector<std::uint8_t>& bytes, std::size_t count) const {
    cuda::synchronize(stream());
    bytes.resize(count);
    check_cuda(cudaMemcpy(bytes.data(), operands_->out.at(0), count, cudaMemcpyDeviceToHost),
               "reading a result");
  }

  void run_ours(cuda::GemmKernel kernel, std::size_t set) {
    const float* const scale = operands_->columns.as<float>();
    gemm_.run({.w = reinterpret_cast<const std::int8_t*>(operands_->w.at(set)),
               .ld = shape_.k,
               .n = shape_.n,
               .k = shape_.k},
              {.a = operands_->a.at(set),
               .a_type = Element::kS8,
               .lda = shape_.k,
               .m = shape_.m,
               .column_scale = scale,
               .bias = scale + shape_.n,
               .out = operands_->out.at(set),
               .ld_out = shape_.n},
              stream(), kernel);
  }

  // `run` on one set after the other, all of them.
  std::unique_ptr<Replay> record(const std::function<void(std::size_t)>& run) const {
    const int launches = std::max(kLeastLaunches, static_cast<int>(operands_->sets));
    return std::make_unique<Replay>(*stream_, launches, [&] {
      for (int i = 0; i < launches; ++i) run(static_cast<std::size_t>(i) % operands_->sets);
    });
  }

  GemmContestant contestant(const std::string& who, const std::string& detail, GemmKind kind,
                            const std::function<void(std::size_t)>& run) {
    run(0);  // outside of a recording: what is loaded at its first use is loaded now
    replays_.push_back(record(run));
    const Replay& replay = *replays_.back();
    for (int i = 0; i < 3; ++i) replay.enqueue();
    cuda::synchronize(stream());
    return {.name = who, .detail = detail, .kind = kind, .block = [this, &replay] {
              return timed_block(replay);
            }};
  }

  double timed_block(const Replay& replay) const {
    const SharedFlags& flags = options_.flags;
    std::vector<double> us;
    const auto end = Clock::now() + std::chrono::duration<double>(flags.duration);
    do {
      us.push_back(replay.timed());
    } while (flags.iterations > 0 ? us.size() < static_cast<std::size_t>(flags.iterations)
                                  : Clock::now() < end);
    return median(us);
  }

  GemmContestant ours(cuda::GemmKernel kernel) {
    const std::string detail = std::string(cuda::kernel_name(kernel.index)) + ", " +
                               std::to_string(kernel.splits) + " depth parts";
    return contestant("qe", detail, GemmKind::kOurs,
                      [this, kernel](std::size_t set) { run_ours(kernel, set); });
  }

  // The fastest algorithm of a form by a short measurement of each; -1 if there is none.
  int fastest(const std::function<void(int, std::size_t)>& run, int algorithms) {
    int best = -1;
    double best_us = 0.0;
    for (int i = 0; i < algorithms; ++i) {
      try {
        run(i, 0);
        cuda::synchronize(stream());
        const auto replay = record([&](std::size_t set) { run(i, set); });
        replay->timed();
        const double us[] = {replay->timed(), replay->timed(), replay->timed()};
        const double middle = median(us);
        if (best < 0 || middle < best_us) {
          best = i;
          best_us = middle;
        }
      } catch (const DeviceError&) {
        continue;  // an algorithm that the heuristic names and the library then refuses
      }
    }
    return best;
  }

  struct LtCase {
    LtForm form;
    const char* text;
    GemmKind kind;
  };

  void add_rivals(std::vector<GemmContestant>& contestants) {
    requantized_ = nullptr;
    static constexpr LtCase kCases[] = {
        {LtForm::kSums, "s8 x s8 -> s32", GemmKind::kAlone},
        {LtForm::kSumsTiled, "s8 x s8 -> s32, tiled orders", GemmKind::kAlone},
        {LtForm::kBytes, "s8 x s8 -> s8, one scale", GemmKind::kAlone},
        {LtForm::kHalf, "f16 x f16 -> f16", GemmKind::kHalf},
    };
    for (const LtCase& one : kCases) {
      const auto product = std::make_shared<LtProduct>(one.form, shape_);
      const auto run = [this, product, form = one.form](int algorithm, std::size_t set) {
        const bool half = form == LtForm::kHalf;
        std::byte* const to = half                     ? operands_->half_out.at(set)
                              : form == LtForm::kBytes ? operands_->out.at(set)
                                                       : operands_->sums.at(set);
        product->run(algorithm, half ? operands_->half_a.at(set) : operands_->a.at(set),
                     half ? operands_->half_w.at(set) : operands_->w.at(set), to, workspace_.data(),
                     stream());
      };
      const int best = fastest(run, product->algorithms());
      if (best < 0) continue;
      const std::string detail = std::string(one.text) + ", best of " +
                                 std::to_string(product->algorithms()) + " (" +
                                 std::to_string(best) + ")";
      contestants.push_back(contestant("cuBLASLt", detail, one.kind,
                                       [run, best](std::size_t set) { run(best, set); }));
      if (one.form != LtForm::kSums) continue;
      requantized_ = [this, run, best](std::size_t set) {
        const float* const scale = operands_->columns.as<float>();
        run(best, set);
        check_cuda(
            requantize(reinterpret_cast<const std::int32_t*>(operands_->sums.at(set)), scale,
                       scale + shape_.n, reinterpret_cast<std::uint8_t*>(operands_->out.at(set)),
                       shape_.m, shape_.n, stream()),
            "requantizing");
      };
      contestants.push_back(contestant("cuBLASLt", detail + ", then requantized",
                                       GemmKind::kRequantized, requantized_));
    }
  }

  GemmOptions options_;
  cuda::Gemm gemm_;
  std::size_t cache_bytes_ = 0;
  std::optional<DeviceStream> stream_;
  DeviceMemory clock_, workspace_;
  GemmShape shape_;
  std::optional<CudaOperands> operands_;
  std::vector<std::unique_ptr<Replay>> replays_;  // ours, as chosen, first
  std::function<void(std::size_t)> requantized_;
  std::vector<double> clocks_mhz_;
};

}  // namespace

std::unique_ptr<GemmDevice> cuda_gemm_device(int index, const GemmOptions& options) {
  return std::make_unique<CudaDevice>(index, options);
}

}  // namespace qe::tools
