// Convolutions and 1x1 products of image networks at 224 x 224, one thread: percent of the INT8
// peak that the same core reaches just before and after each layer. Times are medians over the
// calls, so that calls the system interrupted drop out. Inputs, weights and outputs are those of
// one layer, used again and again: what fits the second-level cache stays there. Depthwise layers
// are not here.
#include <benchmark/benchmark.h>
#include <qe/machine.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"

namespace {

using namespace qe::kernels;  // NOLINT(google-build-using-namespace)

enum class Extra : std::uint8_t { kNone, kResidual, kTable };

struct Layer {
  const char* network;
  int size, channels, columns;  // of the input: size x size pixels of so many channels
  int kernel = 1;
  int stride = 1;
  Extra extra = Extra::kNone;
};

constexpr Layer kLayers[] = {
    {"resnet50", 224, 3, 64, 7, 2},
    {"resnet50", 56, 64, 64},
    {"resnet50", 56, 64, 64, 3},
    {"resnet50", 56, 64, 256, 1, 1, Extra::kResidual},
    {"resnet50", 56, 64, 256},
    {"resnet50", 56, 256, 64},
    {"resnet50", 56, 256, 128},
    {"resnet50", 56, 128, 128, 3, 2},
    {"resnet50", 28, 128, 512, 1, 1, Extra::kResidual},
    {"resnet50", 56, 256, 512, 1, 2},
    {"resnet50", 28, 512, 128},
    {"resnet50", 28, 128, 128, 3},
    {"resnet50", 28, 512, 256},
    {"resnet50", 28, 256, 256, 3, 2},
    {"resnet50", 14, 256, 1024, 1, 1, Extra::kResidual},
    {"resnet50", 28, 512, 1024, 1, 2},
    {"resnet50", 14, 1024, 256},
    {"resnet50", 14, 256, 256, 3},
    {"resnet50", 14, 1024, 512},
    {"resnet50", 14, 512, 512, 3, 2},
    {"resnet50", 7, 512, 2048, 1, 1, Extra::kResidual},
    {"resnet50", 14, 1024, 2048, 1, 2},
    {"resnet50", 7, 2048, 512},
    {"resnet50", 7, 512, 512, 3},

    {"squeezenet1_1", 224, 3, 64, 3, 2},
    {"squeezenet1_1", 55, 64, 16},
    {"squeezenet1_1", 55, 128, 16},
    {"squeezenet1_1", 55, 16, 64},
    {"squeezenet1_1", 55, 16, 64, 3},
    {"squeezenet1_1", 27, 128, 32},
    {"squeezenet1_1", 27, 256, 32},
    {"squeezenet1_1", 27, 32, 128},
    {"squeezenet1_1", 27, 32, 128, 3},
    {"squeezenet1_1", 13, 256, 48},
    {"squeezenet1_1", 13, 384, 48},
    {"squeezenet1_1", 13, 48, 192},
    {"squeezenet1_1", 13, 48, 192, 3},
    {"squeezenet1_1", 13, 384, 64},
    {"squeezenet1_1", 13, 512, 64},
    {"squeezenet1_1", 13, 64, 256},
    {"squeezenet1_1", 13, 64, 256, 3},
    {"squeezenet1_1", 13, 512, 1000},

    {"mobilenetv2", 112, 32, 16},
    {"mobilenetv2", 112, 16, 96},
    {"mobilenetv2", 56, 96, 24},
    {"mobilenetv2", 56, 24, 144},
    {"mobilenetv2", 56, 144, 24, 1, 1, Extra::kResidual},
    {"mobilenetv2", 28, 144, 32},
    {"mobilenetv2", 28, 32, 192},
    {"mobilenetv2", 28, 192, 32, 1, 1, Extra::kResidual},
    {"mobilenetv2", 14, 192, 64},
    {"mobilenetv2", 14, 64, 384},
    {"mobilenetv2", 14, 384, 64, 1, 1, Extra::kResidual},
    {"mobilenetv2", 14, 384, 96},
    {"mobilenetv2", 14, 96, 576},
    {"mobilenetv2", 14, 576, 96, 1, 1, Extra::kResidual},
    {"mobilenetv2", 7, 576, 160},
    {"mobilenetv2", 7, 160, 960},
    {"mobilenetv2", 7, 960, 160, 1, 1, Extra::kResidual},
    {"mobilenetv2", 7, 960, 320},
    {"mobilenetv2", 7, 320, 1280},

    {"efficientnet_b0", 112, 16, 96, 1, 1, Extra::kTable},
    {"efficientnet_b0", 56, 24, 144, 1, 1, Extra::kTable},
    {"efficientnet_b0", 28, 144, 40},
    {"efficientnet_b0", 28, 40, 240, 1, 1, Extra::kTable},
    {"efficientnet_b0", 28, 240, 40, 1, 1, Extra::kResidual},
    {"efficientnet_b0", 14, 240, 80},
    {"efficientnet_b0", 14, 80, 480, 1, 1, Extra::kTable},
    {"efficientnet_b0", 14, 480, 80, 1, 1, Extra::kResidual},
    {"efficientnet_b0", 14, 480, 112},
    {"efficientnet_b0", 14, 112, 672, 1, 1, Extra::kTable},
    {"efficientnet_b0", 14, 672, 112, 1, 1, Extra::kResidual},
    {"efficientnet_b0", 7, 672, 192},
    {"efficientnet_b0", 7, 192, 1152, 1, 1, Extra::kTable},
    {"efficientnet_b0", 7, 1152, 192, 1, 1, Extra::kResidual},
    {"efficientnet_b0", 7, 1152, 320},
    {"efficientnet_b0", 7, 320, 1280, 1, 1, Extra::kTable},
};

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
template <class T>
using Buffer = std::unique_ptr<T[], FreeDeleter>;

template <class T>
Buffer<T> random_buffer(std::size_t count) {
  constexpr std::size_t kPage = 4096;
  const std::size_t bytes = (count * sizeof(T) + kPage - 1) / kPage * kPage;
  auto* memory = static_cast<T*>(std::aligned_alloc(kPage, bytes));
  if (!memory) {
    throw std::bad_alloc();
  }
  std::mt19937 random(1);
  std::generate_n(memory, count, [&] { return static_cast<T>(random() >> 8U); });
  return Buffer<T>(memory);
}

// The operands of one layer. A first layer sees pixels of four bytes inside a ready-made border,
// and a whole row of its kernel is one tap.
class Problem {
 public:
  explicit Problem(const Layer& layer)
      : first_(layer.channels == 3),
        pad_(layer.kernel / 2),
        out_size_((layer.size + 2 * pad_ - layer.kernel) / layer.stride + 1),
        pixel_bytes_(first_ ? kDepthGroup : round_up(layer.channels, kColumnGroup)),
        in_size_(first_ ? layer.size + 2 * pad_ : layer.size),
        plain_(layer.kernel == 1 && layer.stride == 1),
        tap_bytes_(first_ ? layer.kernel * kDepthGroup : layer.channels),
        count_(first_ ? layer.kernel : layer.kernel * layer.kernel),
        rows_(out_size_ * out_size_),
        ld_out_(round_up(layer.columns, kColumnGroup)),
        x_(random_buffer<std::uint8_t>(static_cast<std::size_t>(in_size_) * in_size_ *
                                       pixel_bytes_)),
        packed_(random_buffer<std::int8_t>(
            packed_bytes(layer.columns, count_ * round_up(tap_bytes_, kDepthGroup)))),
        padding_(random_buffer<std::uint8_t>(
            qe::kernels::padding_bytes(tap_bytes_, first_ ? layer.stride * pixel_bytes_ : 0))),
        table_(random_buffer<std::uint8_t>(256)),
        residual_(random_buffer<std::uint8_t>(static_cast<std::size_t>(rows_) * ld_out_)),
        out_(random_buffer<std::uint8_t>(static_cast<std::size_t>(rows_) * ld_out_)),
        scale_(ld_out_, 1e-4F),
        bias_(ld_out_, 128.0F) {
    make_offsets(layer);
    args_.a = x_.get();
    args_.lda = pixel_bytes_;
    args_.taps = plain_ ? nullptr : &taps_;
    args_.b = packed_.get();
    args_.m = rows_;
    args_.n = layer.columns;
    args_.k = tap_bytes_;
    args_.last_panel = panel_count(layer.columns);
    args_.column_scale = scale_.data();
    args_.bias = bias_.data();
    args_.out_u8 = out_.get();
    args_.ld_out_u8 = ld_out_;
    if (layer.extra == Extra::kResidual) {
      args_.residual_u8 = residual_.get();
      args_.ld_residual_u8 = ld_out_;
      args_.residual_scale = 0.5F;
    }
    args_.table = layer.extra == Extra::kTable ? table_.get() : nullptr;
  }
  Problem(const Problem&) = delete;
  Problem& operator=(const Problem&) = delete;

  const GemmArgs& args() const { return args_; }
  int out_size() const { return out_size_; }

 private:
  void make_offsets(const Layer& layer) {
    const int border = first_ ? 0 : pad_;
    for (int pixel = 0; pixel < rows_; ++pixel) {
      for (int tap = 0; tap < count_; ++tap) {
        const int i = first_ ? tap : tap / layer.kernel;
        const int j = first_ ? 0 : tap % layer.kernel;
        const int y = pixel / out_size_ * layer.stride - border + i;
        const int x = pixel % out_size_ * layer.stride - border + j;
        const bool inside = y >= 0 && y < in_size_ && x >= 0 && x < in_size_;
        offsets_.push_back(inside ? (y * in_size_ + x) * pixel_bytes_ : kPaddingTap);
      }
    }
    taps_ = {.count = count_,
             .offset = offsets_.data(),
             .pixels = rows_,
             .first_row = 0,
             .image_stride = 0,
             .padding = padding_.get()};
    taps_.out_width = out_size_;
    if (first_) {
      taps_.row_step = layer.stride * pixel_bytes_;
    } else {
      taps_.kernel_width = layer.kernel;
      taps_.stride = layer.stride;
    }
  }

  bool first_;
  int pad_, out_size_, pixel_bytes_, in_size_;
  bool plain_;
  int tap_bytes_, count_, rows_, ld_out_;
  Buffer<std::uint8_t> x_;
  Buffer<std::int8_t> packed_;
  Buffer<std::uint8_t> padding_, table_, residual_, out_;
  std::vector<float> scale_, bias_;
  std::vector<std::int32_t> offsets_;
  Taps taps_;
  GemmArgs args_{};
};

void run_layer(benchmark::State& state, const KernelTable& table, const Layer& layer) {
  using Clock = std::chrono::steady_clock;
  constexpr double kPeakSeconds = 0.004;
  const Problem problem(layer);
  double peak = qe::measure_int8_peak(table.isa, kPeakSeconds).gmacs;
  std::vector<double> seconds;
  for (auto _ : state) {
    const Clock::time_point start = Clock::now();
    table.gemm(problem.args());
    seconds.push_back(std::chrono::duration<double>(Clock::now() - start).count());
    state.SetIterationTime(seconds.back());
  }
  peak = std::max(peak, qe::measure_int8_peak(table.isa, kPeakSeconds).gmacs);
  std::nth_element(seconds.begin(), seconds.begin() + seconds.size() / 2, seconds.end());
  const double macs = static_cast<double>(problem.args().m) * layer.columns * layer.channels *
                      layer.kernel * layer.kernel;
  const double gmacs = macs / seconds[seconds.size() / 2] * 1e-9;
  state.counters["MMAC"] = macs * 1e-6;
  state.counters["GMAC/s"] = gmacs;
  state.counters["%peak"] = 100 * gmacs / peak;
}

std::string name_of(const Layer& layer, const KernelTable& table) {
  constexpr const char* kExtra[] = {"", "+residual", "+table"};
  const std::string kernel = std::to_string(layer.kernel);
  return std::string(layer.network) + "/" + kernel + "x" + kernel +
         (layer.stride == 1 ? "" : "s" + std::to_string(layer.stride)) + "/" +
         std::to_string(layer.channels) + "-" + std::to_string(layer.columns) + "/" +
         std::to_string(layer.size) + kExtra[static_cast<int>(layer.extra)] + "/" + table.name;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (const qe::Isa isa : available_isas()) {
    if (isa == qe::Isa::kReference) {
      continue;
    }
    const KernelTable& table = kernel_table(isa);
    for (const Layer& layer : kLayers) {
      benchmark::RegisterBenchmark(
          name_of(layer, table).c_str(),
          [&table, &layer](benchmark::State& state) { run_layer(state, table, layer); })
          ->UseManualTime()
          ->Unit(benchmark::kMicrosecond);
    }
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
