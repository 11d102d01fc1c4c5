// Sums that have left the tiles and wait for their epilogue, a few rows at a time, so that it can
// run between the multiplications of the next block. Included only by files of this folder.
#pragma once

#include <cstdint>

#include "kernels/x86/avx512_vnni/gemm_epilogue.h"

namespace qe::kernels {
namespace {

// Rows taken from memory to the result at once: the columns' scales and biases are loaded once for
// them.
inline constexpr int kRowsAtOnce = 4;

// `sums`: kPanelWidth a row, 64-byte aligned.
template <Epilogue kEpilogue, int kRows, int kWidth>
void finish_rows(const OutputTile& tile, const std::int32_t* sums) {
  Block<kRows, kWidth> acc;
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kWidth; ++v) {
      acc[r][v] = _mm512_load_si512(sums + r * kPanelWidth + v * kColumnGroup);
    }
  }
  finish<kEpilogue, kRows, kWidth>(tile, acc);
}

// Some rows of one panel.
template <Epilogue kEpilogue>
class PendingRows {
 public:
  explicit PendingRows(const GemmArgs& args) : tile_{args, 0, 0} {}

  void set(int row, int rows, int column, int vectors, const std::int32_t* sums) {
    tile_.row = row;
    tile_.column = column;
    rows_ = rows;
    vectors_ = vectors;
    sums_ = sums;
  }
  int rows() const { return rows_; }

  // kRowsAtOnce rows or, where fewer are left, one.
  [[gnu::noinline]] void finish_some() {
    switch (vectors_) {
      case 4:
        finish_width<4>();
        break;
      case 3:
        finish_width<3>();
        break;
      case 2:
        finish_width<2>();
        break;
      default:
        finish_width<1>();
        break;
    }
  }
  void finish_all() {
    while (rows_ > 0) {
      finish_some();
    }
  }

 private:
  template <int kWidth>
  void finish_width() {
    const int rows = rows_ >= kRowsAtOnce ? kRowsAtOnce : 1;
    rows == kRowsAtOnce ? finish_rows<kEpilogue, kRowsAtOnce, kWidth>(tile_, sums_)
                        : finish_rows<kEpilogue, 1, kWidth>(tile_, sums_);
    tile_.row += rows;
    sums_ += rows * kPanelWidth;
    rows_ -= rows;
  }

  OutputTile tile_;
  const std::int32_t* sums_ = nullptr;
  int rows_ = 0;
  int vectors_ = 0;
};

}  // namespace
}  // namespace qe::kernels
