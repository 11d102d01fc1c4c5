// Where the left-hand rows of a product lie (struct Taps of kernels/spatial_args.h). Included only
// by files compiled for one instruction set, hence the anonymous namespace and no standard library
// code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"

namespace qe::kernels {
namespace {

// A row of a plain product is one piece, just where the row begins.
inline constexpr std::int32_t kNoOffset = 0;

inline int tap_count(const GemmArgs& args) { return args.taps ? args.taps->count : 1; }

// The pieces of kRows rows.
template <int kRows>
class TapRows {
 public:
  TapRows(const GemmArgs& args, int row) {
    if (!args.taps) {
      for (int r = 0; r < kRows; ++r) {
        base_[r] = args.a + (row + r) * args.lda;
        offset_[r] = &kNoOffset;
      }
      return;
    }
    const Taps& taps = *args.taps;
    padding_ = taps.padding;
    int image = (taps.first_row + row) / taps.pixels;
    int pixel = (taps.first_row + row) % taps.pixels;
    for (int r = 0; r < kRows; ++r) {
      base_[r] = args.a + image * taps.image_stride;
      offset_[r] = taps.offset + static_cast<std::ptrdiff_t>(pixel) * taps.count;
      if (++pixel == taps.pixels) {
        pixel = 0;
        ++image;
      }
    }
  }

  const std::uint8_t* piece(int r, int tap) const {
    const std::int32_t offset = offset_[r][tap];
    return offset == kPaddingTap ? padding_ : base_[r] + offset;
  }

 private:
  const std::uint8_t* base_[kRows];
  const std::int32_t* offset_[kRows];
  const std::uint8_t* padding_ = nullptr;
};

}  // namespace
}  // namespace qe::kernels
