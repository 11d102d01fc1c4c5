// What a product asks the caches for while it multiplies, a few lines at a time. Included only by
// files of this folder.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"

namespace qe::kernels {
namespace {

// Weights fetched to the second-level cache, some lines at each call.
class Prefetch {
 public:
  Prefetch() = default;
  // Spread evenly over `slots` calls.
  Prefetch(const std::int8_t* first, std::ptrdiff_t bytes, std::ptrdiff_t slots)
      : next_(first), end_(first + bytes) {
    constexpr std::ptrdiff_t kMostLines = 8;  // more at a time than a core can wait for
    const std::ptrdiff_t lines = bytes / kLineBytes / slots + 1;
    lines_ = static_cast<int>(lines < kMostLines ? lines : kMostLines);
  }

  void some() {
    if (next_ < end_) {
      for (int i = 0; i < lines_; ++i, next_ += kLineBytes) {
        _mm_prefetch(reinterpret_cast<const char*>(next_), _MM_HINT_T1);
      }
    }
  }

 private:
  static constexpr int kLineBytes = 64;
  const std::int8_t* next_ = nullptr;
  const std::int8_t* end_ = nullptr;
  int lines_ = 0;
};

// Lines of bytes that the sums of a pass become two passes later: asked for early, since another
// core may have them. Floats are too many to gain by it.
class OutputLines {
 public:
  OutputLines(const GemmArgs& args, int row, int rows, int column, int slots)
      : next_(args.out_u8 ? args.out_u8 + row * args.ld_out_u8 + column : nullptr),
        stride_(args.ld_out_u8),
        left_(args.out_u8 && column % kPanelWidth == 0 ? rows : 0),
        rows_((left_ + slots - 1) / slots) {}

  void some() {
    if (left_ > 0) {
      for (int i = 0; i < rows_; ++i, next_ += stride_) {
        __builtin_prefetch(next_, 1);
      }
      left_ -= rows_;
    }
  }

 private:
  const std::uint8_t* next_;
  std::ptrdiff_t stride_;
  int left_, rows_;
};

}  // namespace
}  // namespace qe::kernels
