// Where the left-hand rows of a product lie (struct Taps of kernels/spatial_args.h). Included only
// by files compiled for one instruction set, hence the anonymous namespace and no standard library
// code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"

namespace qe::kernels {
namespace {

// A plain product has one piece a row.
inline int tap_count(const GemmArgs& args) { return args.taps ? args.taps->count : 1; }

// The pieces of kRows rows from `row` on.
template <int kRows>
class TapRows {
 public:
  TapRows(const GemmArgs& args, int row) : taps_(args.taps), lda_(args.lda) {
    if (!taps_) {
      first_ = args.a + row * lda_;
      return;
    }
    int image = (taps_->first_row + row) / taps_->pixels;
    int pixel = (taps_->first_row + row) % taps_->pixels;
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      image_[r] = args.a + image * taps_->image_stride;
      offset_[r] = taps_->offset + static_cast<std::ptrdiff_t>(pixel) * taps_->count;
      if (++pixel == taps_->pixels) {
        pixel = 0;
        ++image;
      }
    }
  }

  // Where tap `tap` of each row begins.
  [[gnu::always_inline]] inline void find(int tap, const std::uint8_t* (&piece)[kRows]) const {
    if (!taps_) {
#pragma GCC unroll 12
      for (int r = 0; r < kRows; ++r) {
        piece[r] = first_ + r * lda_;
      }
      return;
    }
    const std::uint8_t* padding = taps_->padding;
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const std::int32_t offset = offset_[r][tap];
      piece[r] = offset == kPaddingTap ? padding : image_[r] + offset;
    }
  }

 private:
  const Taps* taps_;
  std::ptrdiff_t lda_;
  const std::uint8_t* first_ = nullptr;
  const std::uint8_t* image_[kRows];
  const std::int32_t* offset_[kRows];
};

}  // namespace
}  // namespace qe::kernels
