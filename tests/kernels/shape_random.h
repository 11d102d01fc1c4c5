// What the tests of products and of spatial kernels share: many random shapes cheaply, the channel
// counts that matter, and what surrounds an image of bytes between guard pages.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "kernels/kernel_table.h"
#include "tests/kernels/guarded_arena.h"
#include "tests/kernels/kernel_test.h"

namespace qe::test {

// The number of random shapes of a test: QE_TEST_SHAPES where it is set.
inline int shape_count(int usual) {
  const char* text = std::getenv("QE_TEST_SHAPES");
  return text ? std::atoi(text) : usual;
}

// Random numbers and pieces of one long random string: filling an array is a copy.
class ShapeRandom {
 public:
  explicit ShapeRandom(std::uint64_t seed) : random_(seed), pool_(kPoolBytes) {
    random_.fill_bytes(std::span(pool_));
  }

  int integer(int low, int high) { return random_.integer(low, high); }
  // Small sizes more often, the edges of tiles and groups all reached.
  int size(int most) { return std::min(integer(1, most), integer(1, most)); }
  bool chance(int one_in) { return integer(1, one_in) == 1; }
  float normal() { return random_.normal(); }
  float uniform() { return random_.uniform(); }  // -1 to 1
  Side side() { return chance(2) ? Side::kFront : Side::kBack; }
  template <class Byte>
  void fill(std::span<Byte> out) {
    const std::size_t most = kPoolBytes / 2;
    for (std::size_t done = 0; done < out.size(); done += most) {
      std::memcpy(out.data() + done, pool_.data() + integer(0, kPoolBytes / 2),
                  std::min(most, out.size() - done));
    }
  }
  // 1 to 70, or near the sizes where blocks of channels begin and end.
  int channels() {
    constexpr std::array<int, 6> kNear = {16, 32, 48, 64, 80, 96};
    return chance(2) ? integer(1, 70) : kNear[integer(0, kNear.size() - 1)] + integer(-1, 1);
  }
  // Distance of two pixels.
  int pixel_stride(int channels) {
    return kernels::round_up(channels, 16) + (chance(2) ? 0 : integer(0, 40));
  }

 private:
  static constexpr int kPoolBytes = 1 << 18;
  Random random_;
  std::vector<std::uint8_t> pool_;
};

// Mostly tame values, now and then one that overflows, ties or is not a number.
inline float real(ShapeRandom& random, float tame) {
  constexpr std::array<float, 8> kWild = {0.5F,
                                          0.0F,
                                          -0.0F,
                                          1e30F,
                                          -1e30F,
                                          std::numeric_limits<float>::infinity(),
                                          -std::numeric_limits<float>::infinity(),
                                          std::numeric_limits<float>::quiet_NaN()};
  return random.chance(50) ? kWild[random.integer(0, kWild.size() - 1)] : tame * random.uniform();
}

// Bytes of an image whose last pixel ends with its group of 16 channels.
inline std::size_t image_bytes(int pixels, int channels, int pixel_stride) {
  return static_cast<std::size_t>(pixels - 1) * pixel_stride + kernels::round_up(channels, 16);
}

// Whether the bytes between the pixels' groups of channels still hold the pattern.
inline bool gaps_intact(std::span<const std::uint8_t> image, int channels, int pixel_stride) {
  const auto group = static_cast<std::size_t>(kernels::round_up(channels, 16));
  for (std::size_t at = 0; at + group < image.size(); at += pixel_stride) {
    for (std::size_t c = group; c < static_cast<std::size_t>(pixel_stride); ++c) {
      if (image[at + c] != GuardedArena::kPattern) {
        return false;
      }
    }
  }
  return true;
}

// to_u8 of docs/numerics.md.
inline std::uint8_t expected_u8(float t) {
  if (!(t > 0.0F)) {
    return 0;
  }
  return t > 255.0F ? 255 : static_cast<std::uint8_t>(std::nearbyint(t));
}

}  // namespace qe::test
