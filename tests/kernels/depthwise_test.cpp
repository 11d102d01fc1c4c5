// Depthwise convolution: every instruction set gives the bytes of plain loops over the unpacked
// weights, for many random shapes, between guard pages, and for images of more than one tile of
// columns.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "tests/kernels/shape_random.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 20261120;
constexpr int kRandomShapes = 70'000;
constexpr int kReferenceEvery = 8;
constexpr int kMostWork = 30'000;  // multiplications of a random shape, about
constexpr std::size_t kCapacity = 4 << 20;

int output_size(int in, int pad, int kernel, int stride, int dilation) {
  const int span = (kernel - 1) * dilation + 1;
  return in + pad < span ? 0 : (in + pad - span) / stride + 1;
}

std::string describe(const DepthwiseShape& s) {
  const auto text = [](int value) { return std::to_string(value) + ' '; };
  return "in " + text(s.in_height) + text(s.in_width) + text(s.channels) + "kernel " +
         text(s.kernel_height) + text(s.kernel_width) + "stride " + text(s.stride) + "dilation " +
         text(s.dilation) + "pad " + text(s.pad_top) + text(s.pad_left) + "out " +
         text(s.out_height) + text(s.out_width);
}

// A random shape; half of them like those of networks.
DepthwiseShape random_shape(ShapeRandom& random) {
  for (;;) {
    DepthwiseShape s{};
    s.channels = random.channels();
    const bool usual = random.chance(2);
    s.kernel_height = usual ? 1 + 2 * random.integer(1, 2) : random.integer(1, 7);
    s.kernel_width = usual ? s.kernel_height : random.integer(1, 7);
    s.stride = random.integer(1, 2);
    s.dilation = usual || random.chance(2) ? 1 : random.integer(2, 4);
    s.in_height = random.integer(1, 9);
    s.in_width = random.chance(8) ? random.integer(10, 40) : random.integer(1, 9);
    s.pad_top = random.integer(0, (s.kernel_height - 1) * s.dilation);
    s.pad_left = random.integer(0, (s.kernel_width - 1) * s.dilation);
    // Borders below and on the right follow from the output's size.
    s.out_height =
        output_size(s.in_height, s.pad_top + random.integer(0, s.kernel_height * s.dilation),
                    s.kernel_height, s.stride, s.dilation);
    s.out_width =
        output_size(s.in_width, s.pad_left + random.integer(0, s.kernel_width * s.dilation),
                    s.kernel_width, s.stride, s.dilation);
    const int work = s.out_height * s.out_width * s.channels * s.kernel_height * s.kernel_width;
    if (work > 0 && work <= kMostWork) {
      return s;
    }
  }
}

class DepthwiseCheck {
 public:
  explicit DepthwiseCheck(std::uint64_t seed) : random_(seed) {}
  ShapeRandom& random() { return random_; }

  void run(const DepthwiseShape& shape, const std::vector<const KernelTable*>& tables) {
    prepare(shape);
    compute_expected();
    for (const KernelTable* table : tables) {
      CAPTURE(table->name);
      CAPTURE(describe(shape));
      run_table(*table);
    }
  }

 private:
  void prepare(const DepthwiseShape& s) {
    const int padded = round_up(s.channels, 16);
    const auto place_floats = [&](GuardedArena& arena) {
      const std::span<float> array = arena.place<float>(padded, random_.side());
      std::fill(array.begin(), array.end(), 0.0F);
      return array;
    };
    args_ = {};
    args_.shape = s;
    args_.x_pixel_stride = random_.pixel_stride(s.channels);
    args_.out_pixel_stride = random_.pixel_stride(s.channels);
    args_.x_zero_point = static_cast<std::uint8_t>(random_.integer(0, 255));
    const std::span<std::uint8_t> x = x_arena_.place<std::uint8_t>(
        image_bytes(s.in_height * s.in_width, s.channels, static_cast<int>(args_.x_pixel_stride)),
        random_.side());
    random_.fill(x);
    args_.x = x.data();
    weights_.resize(static_cast<std::size_t>(s.channels) * s.kernel_height * s.kernel_width);
    random_.fill(std::span(weights_));
    const std::span<float> scale = place_floats(scale_arena_);
    const std::span<float> bias = place_floats(bias_arena_);
    // Sums of n taps spread like 6000 sqrt(n).
    const float usual =
        60.0F / (6000.0F * std::sqrt(static_cast<float>(s.kernel_height * s.kernel_width)));
    for (int c = 0; c < s.channels; ++c) {
      scale[c] = usual * random_.normal();
      bias[c] = 128.0F + 80.0F * random_.normal();
    }
    plant_special(scale, s.channels);
    plant_special(bias, s.channels);
    args_.scale = scale.data();
    args_.bias = bias.data();
    const std::span<std::uint8_t> table = table_arena_.place<std::uint8_t>(256, random_.side());
    random_.fill(table);
    args_.table = random_.chance(2) ? table.data() : nullptr;
    split_ = random_.integer(0, s.out_height);
  }

  void plant_special(std::span<float> values, int channels) {
    constexpr float kInf = std::numeric_limits<float>::infinity();
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    constexpr std::array<float, 7> kSpecial = {kInf, -kInf, kNan, 1e30F, -1e30F, 0.0F, 2.2e9F};
    if (random_.chance(4)) {
      values[random_.integer(0, channels - 1)] = kSpecial[random_.integer(0, kSpecial.size() - 1)];
    }
  }

  void compute_expected() {
    const DepthwiseShape& s = args_.shape;
    const int taps = s.kernel_height * s.kernel_width;
    expected_.assign(static_cast<std::size_t>(s.out_height) * s.out_width * s.channels, 0);
    weight_sums_.assign(round_up(s.channels, 16), 0);
    for (int c = 0; c < s.channels; ++c) {
      for (int tap = 0; tap < taps; ++tap) {
        weight_sums_[c] += weights_[c * taps + tap];
      }
    }
    std::size_t at = 0;
    for (int y = 0; y < s.out_height; ++y) {
      for (int x = 0; x < s.out_width; ++x) {
        acc_.assign(s.channels, 0);
        for (int tap = 0; tap < taps; ++tap) {
          const int row = y * s.stride - s.pad_top + tap / s.kernel_width * s.dilation;
          const int col = x * s.stride - s.pad_left + tap % s.kernel_width * s.dilation;
          if (row < 0 || row >= s.in_height || col < 0 || col >= s.in_width) {
            continue;  // the zero point stands for zero
          }
          const std::uint8_t* pixel = args_.x + (row * s.in_width + col) * args_.x_pixel_stride;
          for (int c = 0; c < s.channels; ++c) {
            acc_[c] += (pixel[c] - args_.x_zero_point) * weights_[c * taps + tap];
          }
        }
        for (int c = 0; c < s.channels; ++c) {
          const std::uint8_t q =
              expected_u8(std::fma(static_cast<float>(acc_[c]), args_.scale[c], args_.bias[c]));
          expected_[at++] = args_.table ? args_.table[q] : q;
        }
      }
    }
  }

  void run_table(const KernelTable& table) {
    const DepthwiseShape& s = args_.shape;
    const int padded = round_up(s.channels, 16);
    const std::span<std::int8_t> packed =
        packed_arena_.place<std::int8_t>(depthwise_packed_bytes(s), random_.side());
    std::vector<std::int32_t> weight_sum(padded, -1);
    table.pack_depthwise({.w = weights_.data(),
                          .shape = s,
                          .packed = packed.data(),
                          .weight_sum = weight_sum.data()});
    REQUIRE(weight_sum == weight_sums_);
    REQUIRE(packed_arena_.margin_intact());

    DepthwiseArgs args = args_;
    args.packed = packed.data();
    const std::span<std::int32_t> offset =
        offset_arena_.place<std::int32_t>(padded, random_.side());
    for (int c = 0; c < padded; ++c) {
      offset[c] = -args.x_zero_point * weight_sum[c];
    }
    args.offset = offset.data();
    const int stride = static_cast<int>(args.out_pixel_stride);
    const std::span<std::uint8_t> out = out_arena_.place<std::uint8_t>(
        image_bytes(s.out_height * s.out_width, s.channels, stride), random_.side());
    args.out = out.data();

    for (const auto& [begin, end] : {std::pair(0, split_), std::pair(split_, s.out_height)}) {
      args.row_begin = begin;
      args.row_end = end;
      table.depthwise(args);
    }
    REQUIRE(first_difference(out, stride) == -1);
    REQUIRE(gaps_intact(out, s.channels, stride));
    REQUIRE(out_arena_.margin_intact());
  }

  // The first element, counted without gaps, that differs from the expected one.
  std::ptrdiff_t first_difference(std::span<const std::uint8_t> out, int stride) const {
    const int channels = args_.shape.channels;
    for (std::size_t pixel = 0; pixel * channels < expected_.size(); ++pixel) {
      if (std::memcmp(&out[pixel * stride], &expected_[pixel * channels], channels) != 0) {
        return static_cast<std::ptrdiff_t>(pixel * channels);
      }
    }
    return -1;
  }

  ShapeRandom random_;
  GuardedArena x_arena_{kCapacity}, out_arena_{kCapacity}, packed_arena_{kCapacity};
  GuardedArena scale_arena_{1 << 16}, bias_arena_{1 << 16}, offset_arena_{1 << 16};
  GuardedArena table_arena_{256};
  DepthwiseArgs args_{};
  int split_ = 0;
  std::vector<std::int8_t> weights_;
  std::vector<std::int32_t> acc_;
  std::vector<std::int32_t> weight_sums_;
  std::vector<std::uint8_t> expected_;
};

}  // namespace

TEST_CASE("depthwise: random shapes") {
  MESSAGE("seed " << kSeed << ", " << kRandomShapes << " shapes");
  DepthwiseCheck check(kSeed);
  const std::vector<const KernelTable*> fast = tables_beside_reference();
  const std::vector<const KernelTable*> all = all_tables();
  for (int i = 0; i < kRandomShapes; ++i) {
    CAPTURE(i);
    check.run(random_shape(check.random()), i % kReferenceEvery == 0 ? all : fast);
  }
}

TEST_CASE("depthwise: images of several tiles, and of many channels") {
  DepthwiseCheck check(kSeed + 1);
  const auto shape = [](int size, int width, int channels, int kernel, int stride, int dilation) {
    const int pad = (kernel - 1) * dilation / 2;
    return DepthwiseShape{.in_height = size,
                          .in_width = width,
                          .channels = channels,
                          .kernel_height = kernel,
                          .kernel_width = kernel,
                          .stride = stride,
                          .dilation = dilation,
                          .pad_top = pad,
                          .pad_left = pad,
                          .out_height = output_size(size, 2 * pad, kernel, stride, dilation),
                          .out_width = output_size(width, 2 * pad, kernel, stride, dilation)};
  };
  for (const int kernel : {3, 5, 7}) {
    for (const int stride : {1, 2}) {
      for (const int dilation : {1, 3}) {
        for (const int channels : {16, 32, 48, 64, 144}) {
          for (const int width : {56, 112, 301}) {
            check.run(shape(21, width, channels, kernel, stride, dilation),
                      tables_beside_reference());
          }
        }
        check.run(shape(14, 14, 960, kernel, stride, dilation), all_tables());
      }
    }
  }
}

TEST_CASE("depthwise: borders of TensorFlow's SAME") {
  // One more row and column at the end than at the beginning, as stride 2 over even sizes gives.
  DepthwiseCheck check(kSeed + 2);
  for (const int kernel : {3, 5}) {
    for (const int size : {14, 28, 56}) {
      const int pad = (kernel - 2) / 2;
      check.run({.in_height = size,
                 .in_width = size,
                 .channels = 96,
                 .kernel_height = kernel,
                 .kernel_width = kernel,
                 .stride = 2,
                 .dilation = 1,
                 .pad_top = pad,
                 .pad_left = pad,
                 .out_height = size / 2,
                 .out_width = size / 2},
                all_tables());
    }
  }
}

TEST_CASE("depthwise: the packed size counts every tap once for each row computed at once") {
  DepthwiseShape s{.in_height = 7,
                   .in_width = 7,
                   .channels = 17,
                   .kernel_height = 3,
                   .kernel_width = 3,
                   .stride = 1,
                   .dilation = 1,
                   .pad_top = 1,
                   .pad_left = 1,
                   .out_height = 7,
                   .out_width = 7};
  CHECK(depthwise_rows(s) == 2);
  CHECK(depthwise_packed_bytes(s) == 32 * 3 * 2 * 4);
  s.stride = 2;
  CHECK(depthwise_rows(s) == 1);
  CHECK(depthwise_packed_bytes(s) == 32 * 3 * 4);
  s.kernel_height = s.kernel_width = 5;
  CHECK(depthwise_rows(s) == 2);
  CHECK(depthwise_packed_bytes(s) == 32 * 5 * 2 * 2 * 4);
  s.dilation = 2;
  CHECK(depthwise_rows(s) == 1);
}

}  // namespace qe::test
