// The kernels that know height and width, of every available instruction set: depthwise
// convolutions of MobileNetV2 and EfficientNet-B0 at 224 x 224 in multiply-adds a cycle, beside the
// peak of the multipliers measured around each, and the pooling and pointwise kernels in bytes a
// cycle. Layers run over one image again and again, so what fits a cache is read from it.
#include <benchmark/benchmark.h>
#include <qe/machine.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "bench/cycles.h"
#include "bench/tables.h"
#include "kernels/kernel_table.h"

namespace {

using qe::bench::add;
using qe::bench::cycles_per_call;
using namespace qe::kernels;  // NOLINT(google-build-using-namespace)
using State = benchmark::State;

struct Layer {
  const char* name;
  int channels, size, kernel, stride;
  bool same;   // borders of TensorFlow's SAME: at stride 2 the larger one at the end
  bool table;  // activation by table
};

constexpr Layer kLayers[] = {
    {"in_l1", 64, 14, 3, 1, false, false},          {"in_l1_table", 64, 14, 3, 1, false, true},
    {"mobilenet_v2", 32, 112, 3, 1, false, false},  {"mobilenet_v2", 96, 112, 3, 2, false, false},
    {"mobilenet_v2", 144, 56, 3, 1, false, false},  {"mobilenet_v2", 144, 56, 3, 2, false, false},
    {"mobilenet_v2", 192, 28, 3, 1, false, false},  {"mobilenet_v2", 192, 28, 3, 2, false, false},
    {"mobilenet_v2", 384, 14, 3, 1, false, false},  {"mobilenet_v2", 576, 14, 3, 1, false, false},
    {"mobilenet_v2", 576, 14, 3, 2, false, false},  {"mobilenet_v2", 960, 7, 3, 1, false, false},
    {"efficientnet_b0", 32, 112, 3, 1, true, true}, {"efficientnet_b0", 96, 112, 3, 2, true, true},
    {"efficientnet_b0", 144, 56, 3, 1, true, true}, {"efficientnet_b0", 144, 56, 5, 2, true, true},
    {"efficientnet_b0", 240, 28, 5, 1, true, true}, {"efficientnet_b0", 240, 28, 3, 2, true, true},
    {"efficientnet_b0", 480, 14, 3, 1, true, true}, {"efficientnet_b0", 480, 14, 5, 1, true, true},
    {"efficientnet_b0", 672, 14, 5, 1, true, true}, {"efficientnet_b0", 672, 14, 5, 2, true, true},
    {"efficientnet_b0", 1152, 7, 5, 1, true, true}, {"efficientnet_b0", 1152, 7, 3, 1, true, true},
};

struct FreeDeleter {
  void operator()(void* memory) const { std::free(memory); }
};
template <class T>
using Buffer = std::unique_ptr<T[], FreeDeleter>;

// Random bytes, or as many small floats, on a cache line's boundary.
template <class T>
Buffer<T> make_buffer(std::size_t count) {
  constexpr std::size_t kLine = 64;
  auto* memory =
      static_cast<T*>(std::aligned_alloc(kLine, (count * sizeof(T) + kLine - 1) / kLine * kLine));
  if (!memory) {
    throw std::bad_alloc();
  }
  std::mt19937 random(5);
  for (std::size_t i = 0; i < count; ++i) {
    memory[i] = sizeof(T) == 1 ? static_cast<T>(random()) : static_cast<T>(0.01F * (i % 7));
  }
  return Buffer<T>(memory);
}

DepthwiseShape shape_of(const Layer& layer) {
  const int out = (layer.size + layer.stride - 1) / layer.stride;
  const int total = (out - 1) * layer.stride + layer.kernel - layer.size;
  const int pad = layer.same ? total / 2 : layer.kernel / 2;
  return {.in_height = layer.size,
          .in_width = layer.size,
          .channels = layer.channels,
          .kernel_height = layer.kernel,
          .kernel_width = layer.kernel,
          .stride = layer.stride,
          .dilation = 1,
          .pad_top = pad,
          .pad_left = pad,
          .out_height = out,
          .out_width = out};
}

void bench_depthwise(State& state, const KernelTable& table, const Layer& layer) {
  const DepthwiseShape s = shape_of(layer);
  const auto channels = static_cast<std::size_t>(round_up(s.channels, 16));
  const auto x = make_buffer<std::uint8_t>(s.in_height * s.in_width * channels);
  const auto out = make_buffer<std::uint8_t>(s.out_height * s.out_width * channels);
  const auto w = make_buffer<std::int8_t>(channels * s.kernel_height * s.kernel_width);
  const auto packed = make_buffer<std::int8_t>(depthwise_packed_bytes(s));
  const auto offset = make_buffer<std::int32_t>(channels);
  const auto scale = make_buffer<float>(channels);
  const auto values = make_buffer<std::uint8_t>(256);
  table.pack_depthwise(
      {.w = w.get(), .shape = s, .packed = packed.get(), .weight_sum = offset.get()});
  const DepthwiseArgs args{.shape = s,
                           .x = x.get(),
                           .x_pixel_stride = static_cast<std::ptrdiff_t>(channels),
                           .x_zero_point = 128,
                           .packed = packed.get(),
                           .offset = offset.get(),
                           .scale = scale.get(),
                           .bias = scale.get(),
                           .table = layer.table ? values.get() : nullptr,
                           .out = out.get(),
                           .out_pixel_stride = static_cast<std::ptrdiff_t>(channels),
                           .row_begin = 0,
                           .row_end = s.out_height};
  const double macs = static_cast<double>(s.out_height) * s.out_width * s.channels *
                      s.kernel_height * s.kernel_width;
  constexpr double kPeakSeconds = 0.002;
  const qe::Isa isa = std::min(table.isa, qe::Isa::kAvx512Vnni);  // tiles have no depthwise
  double peak = qe::measure_int8_peak(isa, kPeakSeconds).macs_per_cycle;
  const double cycles = cycles_per_call(state, [&] { table.depthwise(args); });
  peak = (peak + qe::measure_int8_peak(isa, kPeakSeconds).macs_per_cycle) / 2;
  state.counters["macs_per_cycle"] = macs / cycles;
  state.counters["percent_of_peak"] = 100 * macs / cycles / peak;
  state.counters["kilocycles"] = cycles / 1000;
}

// One image, its output, and what else the pointwise kernels read.
struct Pointwise {
  int pixels, channels;
  Buffer<std::uint8_t> x, other, out;
  Buffer<float> gate;
  Buffer<std::uint32_t> sum;

  Pointwise(int pixels_of, int channels_of)
      : pixels(pixels_of),
        channels(channels_of),
        x(make_buffer<std::uint8_t>(bytes())),
        other(make_buffer<std::uint8_t>(bytes())),
        out(make_buffer<std::uint8_t>(bytes())),
        gate(make_buffer<float>(channels)),
        sum(make_buffer<std::uint32_t>(channels)) {}
  std::size_t bytes() const { return static_cast<std::size_t>(pixels) * channels; }
};

// Runs `call` and reports the bytes it writes (or reads, where it writes few) a cycle.
template <class Call>
void measure_bytes(State& state, std::size_t bytes, Call call) {
  state.counters["bytes_per_cycle"] = static_cast<double>(bytes) / cycles_per_call(state, call);
}

void bench_max_pool(State& state, const KernelTable& table, int size, int channels, int pad) {
  const int out_size = (size + 2 * pad - 3) / 2 + 1;
  const Pointwise image(size * size, channels);
  measure_bytes(state, static_cast<std::size_t>(out_size) * out_size * channels, [&] {
    table.max_pool({.x = image.x.get(),
                    .x_pixel_stride = channels,
                    .in_height = size,
                    .in_width = size,
                    .channels = channels,
                    .kernel = 3,
                    .stride = 2,
                    .pad_top = pad,
                    .pad_left = pad,
                    .out_width = out_size,
                    .out = image.out.get(),
                    .out_pixel_stride = channels,
                    .row_begin = 0,
                    .row_end = out_size});
  });
}

void bench_channel_sums(State& state, const KernelTable& table, const Pointwise& image) {
  measure_bytes(state, image.bytes(), [&] {
    table.channel_sums({.x = image.x.get(),
                        .x_pixel_stride = image.channels,
                        .pixels = image.pixels,
                        .channels = image.channels,
                        .sum = image.sum.get()});
  });
}

void bench_channel_mean(State& state, const KernelTable& table, const Pointwise& image) {
  const auto mean = make_buffer<float>(image.channels);
  measure_bytes(state, image.channels * sizeof(float), [&] {
    table.channel_mean({.sum = image.sum.get(),
                        .channels = image.channels,
                        .scale = 0.01F,
                        .bias = 1.0F,
                        .mean = mean.get()});
  });
}

void bench_scale_channels(State& state, const KernelTable& table, const Pointwise& image) {
  measure_bytes(state, image.bytes(), [&] {
    table.scale_channels({.x = image.x.get(),
                          .x_pixel_stride = image.channels,
                          .pixels = image.pixels,
                          .channels = image.channels,
                          .x_zero_point = 128,
                          .gate = image.gate.get(),
                          .scale = 1.0F,
                          .out_zero_point = 128.0F,
                          .out = image.out.get(),
                          .out_pixel_stride = image.channels});
  });
}

void bench_rescale(State& state, const KernelTable& table, const Pointwise& image) {
  measure_bytes(state, image.bytes(), [&] {
    table.rescale({.x = image.x.get(),
                   .x_pixel_stride = image.channels,
                   .pixels = image.pixels,
                   .channels = image.channels,
                   .scale = 0.5F,
                   .bias = 3.0F,
                   .out = image.out.get(),
                   .out_pixel_stride = image.channels});
  });
}

void bench_add_bytes(State& state, const KernelTable& table, const Pointwise& image) {
  measure_bytes(state, image.bytes(), [&] {
    table.add_bytes({.a = image.x.get(),
                     .a_pixel_stride = image.channels,
                     .b = image.other.get(),
                     .b_pixel_stride = image.channels,
                     .pixels = image.pixels,
                     .channels = image.channels,
                     .a_scale = 0.5F,
                     .b_scale = 0.25F,
                     .bias = 3.0F,
                     .out = image.out.get(),
                     .out_pixel_stride = image.channels});
  });
}

void bench_expand_image(State& state, const KernelTable& table) {
  constexpr int kSize = 224;
  constexpr int kPad = 3;
  constexpr int kOut = kSize + 2 * kPad;
  const auto x = make_buffer<std::uint8_t>(3 * kSize * kSize);
  const auto out = make_buffer<std::uint8_t>(4 * kOut * kOut);
  measure_bytes(state, 4 * kOut * kOut, [&] {
    table.expand_image({.x = x.get(),
                        .height = kSize,
                        .width = kSize,
                        .pad_top = kPad,
                        .pad_left = kPad,
                        .pad_bottom = kPad,
                        .pad_right = kPad,
                        .border = {124, 116, 104},
                        .out = out.get(),
                        .row_begin = 0,
                        .row_end = kOut});
  });
}

void add_pointwise(const KernelTable& table) {
  // The last with a tail beside blocks of 64 channels.
  struct Size {
    int pixels, channels;
  };
  for (const Size size : {Size{196, 64}, Size{784, 144}}) {
    const std::string name =
        '/' + std::to_string(size.pixels) + 'x' + std::to_string(size.channels);
    const auto with_image = [=](auto body) {
      return [=](State& s, const KernelTable& t) {
        body(s, t, Pointwise(size.pixels, size.channels));
      };
    };
    add(table, "channel_sums" + name, with_image(bench_channel_sums));
    add(table, "scale_channels" + name, with_image(bench_scale_channels));
    add(table, "rescale" + name, with_image(bench_rescale));
    add(table, "add_bytes" + name, with_image(bench_add_bytes));
  }
  add(table, "channel_mean/1280",
      [](State& s, const KernelTable& t) { bench_channel_mean(s, t, Pointwise(1, 1280)); });
}

void add_table(const KernelTable& table) {
  for (const Layer& layer : kLayers) {
    const std::string name = "depthwise/" + std::string(layer.name) + '/' +
                             std::to_string(layer.kernel) + "x" + std::to_string(layer.kernel) +
                             "_s" + std::to_string(layer.stride) + '/' +
                             std::to_string(layer.size) + "x" + std::to_string(layer.channels);
    add(table, name, [&layer](State& s, const KernelTable& t) { bench_depthwise(s, t, layer); });
  }
  add(table, "max_pool/resnet_112x64",
      [](State& s, const KernelTable& t) { bench_max_pool(s, t, 112, 64, 1); });
  add(table, "max_pool/squeezenet_55x128",
      [](State& s, const KernelTable& t) { bench_max_pool(s, t, 55, 128, 0); });
  add_pointwise(table);
  add(table, "expand_image/224", bench_expand_image);
}

}  // namespace

int main(int argc, char** argv) { return qe::bench::run_tables(argc, argv, add_table); }
