// Pooling and pointwise kernels of images: every instruction set gives the bytes of plain loops,
// for many random shapes, between guard pages, also in place.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "tests/kernels/shape_random.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 20261121;
constexpr int kPools = 40'000;
constexpr int kPointwise = 10'000;
constexpr std::size_t kCapacity = 1 << 20;

// One image of random bytes.
class Image {
 public:
  void place(ShapeRandom& random, int pixels, int channels) {
    pixel_stride = random.pixel_stride(channels);
    bytes = arena_.place<std::uint8_t>(image_bytes(pixels, channels, pixel_stride), random.side());
    channels_ = channels;
  }
  std::uint8_t at(int pixel, int c) const { return bytes[pixel * pixel_stride + c]; }
  bool surroundings_intact() const {
    return arena_.margin_intact() && gaps_intact(bytes, channels_, pixel_stride);
  }
  // The first pixel of which a channel is not as expected, [pixels][channels]; -1 for none.
  int first_difference(const std::vector<std::uint8_t>& expected) const {
    for (int pixel = 0; static_cast<std::size_t>(pixel * channels_) < expected.size(); ++pixel) {
      if (std::memcmp(&bytes[pixel * pixel_stride], &expected[pixel * channels_], channels_) != 0) {
        return pixel;
      }
    }
    return -1;
  }

  int pixel_stride = 0;
  std::span<std::uint8_t> bytes;

 private:
  GuardedArena arena_{kCapacity};
  int channels_ = 0;
};

std::uint8_t plain_maximum(const Image& x, const MaxPoolArgs& args, int row, int col, int c) {
  std::uint8_t largest = 0;
  const int top = row * args.stride - args.pad_top;
  const int left = col * args.stride - args.pad_left;
  for (int y = std::max(top, 0); y < std::min(top + args.kernel, args.in_height); ++y) {
    for (int x_at = std::max(left, 0); x_at < std::min(left + args.kernel, args.in_width); ++x_at) {
      largest = std::max(largest, x.at(y * args.in_width + x_at, c));
    }
  }
  return largest;
}

// Floats that end with their group of 16, the ones beyond `count` being what the contract allows.
class Floats {
 public:
  std::span<float> place(ShapeRandom& random, int count) {
    values = arena_.place<float>(round_up(count, 16), random.side());
    return values;
  }
  std::span<float> values;

 private:
  GuardedArena arena_{1 << 14};
};

// What one of the kernels from bytes to bytes does, image by image: `call` runs it on x (and b),
// and `element` is its result for one element.
struct Pointwise {
  int pixels, channels;
  std::function<void(const KernelTable&, const Image& x, std::uint8_t* out, int out_stride)> call;
  std::function<std::uint8_t(int pixel, int c)> element;
};

void check_pointwise(ShapeRandom& random, Image& x, const Pointwise& kernel) {
  static Image out;
  std::vector<std::uint8_t> expected;
  for (int pixel = 0; pixel < kernel.pixels; ++pixel) {
    for (int c = 0; c < kernel.channels; ++c) {
      expected.push_back(kernel.element(pixel, c));
    }
  }
  for (const KernelTable* table : all_tables()) {
    CAPTURE(table->name);
    CAPTURE(kernel.pixels);
    CAPTURE(kernel.channels);
    out.place(random, kernel.pixels, kernel.channels);
    kernel.call(*table, x, out.bytes.data(), out.pixel_stride);
    REQUIRE(out.first_difference(expected) == -1);
    REQUIRE(out.surroundings_intact());
  }
  // In place, with one of the tables; the input is lost.
  const std::vector<const KernelTable*> tables = all_tables();
  const KernelTable& table = *tables[random.integer(0, static_cast<int>(tables.size()) - 1)];
  CAPTURE(table.name);
  kernel.call(table, x, x.bytes.data(), x.pixel_stride);
  REQUIRE(x.first_difference(expected) == -1);
}

float any_scale(ShapeRandom& random) {
  constexpr std::array<float, 5> kSpecial = {std::numeric_limits<float>::infinity(),
                                             std::numeric_limits<float>::quiet_NaN(), -1e30F, 1e30F,
                                             0.0F};
  return random.chance(16) ? kSpecial[random.integer(0, kSpecial.size() - 1)]
                           : 0.7F * random.normal();
}

}  // namespace

TEST_CASE("max_pool") {
  MESSAGE("seed " << kSeed << ", " << kPools << " shapes");
  ShapeRandom random(kSeed);
  Image x;
  Image out;
  const std::vector<const KernelTable*> tables = all_tables();
  for (int i = 0; i < kPools; ++i) {
    MaxPoolArgs args{};
    args.channels = random.channels();
    args.in_height = random.integer(1, 9);
    args.in_width = random.integer(1, 9);
    args.kernel = random.chance(2) ? 3 : random.integer(1, 5);
    args.stride = random.integer(1, 3);
    // Up to whole windows outside.
    args.pad_top = random.integer(0, args.kernel);
    args.pad_left = random.integer(0, args.kernel);
    const int out_height = (args.in_height + args.pad_top) / args.stride + 1;
    args.out_width = (args.in_width + args.pad_left) / args.stride + 1;
    x.place(random, args.in_height * args.in_width, args.channels);
    random.fill(x.bytes);
    args.x = x.bytes.data();
    args.x_pixel_stride = x.pixel_stride;
    std::vector<std::uint8_t> expected;
    for (int at = 0; at < out_height * args.out_width; ++at) {
      for (int c = 0; c < args.channels; ++c) {
        expected.push_back(plain_maximum(x, args, at / args.out_width, at % args.out_width, c));
      }
    }
    const int split = random.integer(0, out_height);
    for (const KernelTable* table : tables) {
      out.place(random, out_height * args.out_width, args.channels);
      args.out = out.bytes.data();
      args.out_pixel_stride = out.pixel_stride;
      args.row_begin = 0;
      args.row_end = split;
      table->max_pool(args);
      args.row_begin = split;
      args.row_end = out_height;
      table->max_pool(args);
      CAPTURE(table->name);
      CAPTURE(i);
      REQUIRE(out.first_difference(expected) == -1);
      REQUIRE(out.surroundings_intact());
    }
  }
}

TEST_CASE("channel_sums and channel_mean") {
  ShapeRandom random(kSeed + 1);
  Image x;
  GuardedArena sums(1 << 14);
  GuardedArena means(1 << 14);
  for (int i = 0; i < kPointwise; ++i) {
    const int channels = random.channels();
    const int pixels = random.chance(50) ? random.integer(300, 1500) : random.integer(1, 40);
    x.place(random, pixels, channels);
    random.fill(x.bytes);
    std::vector<std::uint32_t> expected(channels);
    for (int pixel = 0; pixel < pixels; ++pixel) {
      for (int c = 0; c < channels; ++c) {
        expected[c] += x.at(pixel, c);
      }
    }
    const float scale = any_scale(random);
    const float bias = any_scale(random);
    for (const KernelTable* table : all_tables()) {
      CAPTURE(table->name);
      CAPTURE(pixels);
      CAPTURE(channels);
      const auto sum = sums.place<std::uint32_t>(round_up(channels, 16), random.side());
      table->channel_sums({.x = x.bytes.data(),
                           .x_pixel_stride = x.pixel_stride,
                           .pixels = pixels,
                           .channels = channels,
                           .sum = sum.data()});
      REQUIRE(std::equal(expected.begin(), expected.end(), sum.begin()));
      REQUIRE(sums.margin_intact());
      const auto mean = means.place<float>(channels, random.side());
      table->channel_mean({.sum = sum.data(),
                           .channels = channels,
                           .scale = scale,
                           .bias = bias,
                           .mean = mean.data()});
      std::vector<float> expected_mean(channels);
      std::transform(expected.begin(), expected.end(), expected_mean.begin(),
                     [&](std::uint32_t s) { return std::fma(static_cast<float>(s), scale, bias); });
      REQUIRE(same_floats(mean, expected_mean));
      REQUIRE(means.margin_intact());
    }
  }
}

TEST_CASE("channel_mean rounds 32-bit sums to nearest even") {
  std::vector<std::uint32_t> sum = {0,          1,          0xffffff,   0x1000001,
                                    0x1000003,  0x7fffffff, 0x80000000, 0x80000080,
                                    0x80000180, 0xffffff7f, 0xffffff80, 0xffffffff};
  const int channels = static_cast<int>(sum.size());
  sum.resize(16);
  for (const KernelTable* table : all_tables()) {
    CAPTURE(table->name);
    std::vector<float> mean(channels);
    table->channel_mean({.sum = sum.data(),
                         .channels = channels,
                         .scale = 1.0F,
                         .bias = 0.0F,
                         .mean = mean.data()});
    for (int c = 0; c < channels; ++c) {
      CHECK(mean[c] == static_cast<float>(sum[c]));
    }
  }
}

TEST_CASE("scale_channels") {
  ShapeRandom random(kSeed + 2);
  Image x;
  Floats gate;
  for (int i = 0; i < kPointwise; ++i) {
    const int channels = random.channels();
    const int pixels = random.integer(1, 12);
    x.place(random, pixels, channels);
    random.fill(x.bytes);
    for (float& g : gate.place(random, channels)) {
      g = any_scale(random);
    }
    const auto zero_point = static_cast<std::uint8_t>(random.integer(0, 255));
    const float scale = any_scale(random);
    const auto out_zero_point = static_cast<float>(random.integer(0, 255));
    check_pointwise(
        random, x,
        {.pixels = pixels,
         .channels = channels,
         .call =
             [&](const KernelTable& table, const Image& in, std::uint8_t* out, int out_stride) {
               table.scale_channels({.x = in.bytes.data(),
                                     .x_pixel_stride = in.pixel_stride,
                                     .pixels = pixels,
                                     .channels = channels,
                                     .x_zero_point = zero_point,
                                     .gate = gate.values.data(),
                                     .scale = scale,
                                     .out_zero_point = out_zero_point,
                                     .out = out,
                                     .out_pixel_stride = out_stride});
             },
         .element =
             [&](int pixel, int c) {
               const auto centred = static_cast<float>(x.at(pixel, c) - zero_point);
               const float factor = gate.values[c] * scale;
               return expected_u8(std::fma(centred, factor, out_zero_point));
             }});
  }
}

TEST_CASE("rescale") {
  ShapeRandom random(kSeed + 3);
  Image x;
  for (int i = 0; i < kPointwise; ++i) {
    const int channels = random.channels();
    const int pixels = random.integer(1, 12);
    x.place(random, pixels, channels);
    random.fill(x.bytes);
    const float scale = any_scale(random);
    const float bias = 100.0F * random.normal();
    check_pointwise(
        random, x,
        {.pixels = pixels,
         .channels = channels,
         .call =
             [&](const KernelTable& table, const Image& in, std::uint8_t* out, int out_stride) {
               table.rescale({.x = in.bytes.data(),
                              .x_pixel_stride = in.pixel_stride,
                              .pixels = pixels,
                              .channels = channels,
                              .scale = scale,
                              .bias = bias,
                              .out = out,
                              .out_pixel_stride = out_stride});
             },
         .element =
             [&](int pixel, int c) {
               return expected_u8(std::fma(static_cast<float>(x.at(pixel, c)), scale, bias));
             }});
  }
}

TEST_CASE("add_bytes") {
  ShapeRandom random(kSeed + 4);
  Image a;
  Image b;
  for (int i = 0; i < kPointwise; ++i) {
    const int channels = random.channels();
    const int pixels = random.integer(1, 12);
    a.place(random, pixels, channels);
    b.place(random, pixels, channels);
    random.fill(a.bytes);
    random.fill(b.bytes);
    const float a_scale = any_scale(random);
    const float b_scale = any_scale(random);
    const float bias = 100.0F * random.normal();
    check_pointwise(
        random, a,
        {.pixels = pixels,
         .channels = channels,
         .call =
             [&](const KernelTable& table, const Image& in, std::uint8_t* out, int out_stride) {
               table.add_bytes({.a = in.bytes.data(),
                                .a_pixel_stride = in.pixel_stride,
                                .b = b.bytes.data(),
                                .b_pixel_stride = b.pixel_stride,
                                .pixels = pixels,
                                .channels = channels,
                                .a_scale = a_scale,
                                .b_scale = b_scale,
                                .bias = bias,
                                .out = out,
                                .out_pixel_stride = out_stride});
             },
         .element =
             [&](int pixel, int c) {
               const float inner = std::fma(static_cast<float>(b.at(pixel, c)), b_scale, bias);
               return expected_u8(std::fma(static_cast<float>(a.at(pixel, c)), a_scale, inner));
             }});
  }
}

TEST_CASE("expand_image") {
  ShapeRandom random(kSeed + 5);
  GuardedArena from(1 << 16);
  GuardedArena to(1 << 17);
  for (int i = 0; i < kPointwise; ++i) {
    ExpandImageArgs args{};
    args.height = random.integer(1, 6);
    args.width = random.integer(1, 40);
    args.pad_top = random.integer(0, 3);
    args.pad_left = random.integer(0, 3);
    args.pad_bottom = random.integer(0, 3);
    args.pad_right = random.integer(0, 3);
    random.fill(std::span<std::uint8_t>(args.border));
    const auto x = from.place<std::uint8_t>(3 * args.height * args.width, random.side());
    random.fill(x);
    args.x = x.data();
    const int height = args.pad_top + args.height + args.pad_bottom;
    const int width = args.pad_left + args.width + args.pad_right;
    const int split = random.integer(0, height);
    for (const KernelTable* table : all_tables()) {
      CAPTURE(table->name);
      CAPTURE(args.width);
      const auto out = to.place<std::uint8_t>(4 * height * width, random.side());
      args.out = out.data();
      args.row_begin = 0;
      args.row_end = split;
      table->expand_image(args);
      args.row_begin = split;
      args.row_end = height;
      table->expand_image(args);
      bool same = true;
      for (int at = 0; at < height * width; ++at) {
        const int row = at / width - args.pad_top;
        const int col = at % width - args.pad_left;
        const bool inside = row >= 0 && row < args.height && col >= 0 && col < args.width;
        const std::uint8_t* pixel = inside ? &x[3 * (row * args.width + col)] : args.border;
        same = same && std::equal(pixel, pixel + 3, &out[4 * at]) && out[4 * at + 3] == 0;
      }
      REQUIRE(same);
      REQUIRE(to.margin_intact());
    }
  }
}

}  // namespace qe::test
