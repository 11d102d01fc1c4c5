// The epilogue of a pass whose sums have left the tiles, two rows at a time between the
// multiplications of a later pass: only spread so finely do vectors work beside the tiles. Included
// only by files of this folder.
#pragma once

#include <cstdint>

#include "kernels/x86/amx/tiles.h"
#include "kernels/x86/avx512_vnni/gemm_epilogue.h"

namespace qe::kernels {
namespace {

// The sums of a pass: kPassColumns a row, 64-byte aligned.
struct PassSums {
  std::int32_t* at = nullptr;
  std::ptrdiff_t second = 0;  // bytes to those of the second tile of rows
  int row = 0, rows = 0;      // none: sums of a part of the depth, nothing to finish
  int column = 0, vectors = 0;
};

// How a product ends, as far as that is decided once for all of its rows.
struct Ending {
  Epilogue epilogue;
  RowTerms terms = RowTerms::kNone;
  bool has_residual = false;
  bool is_inlined = false;  // for whole tiles of columns; or called, more rows at a time
  Activation activation = Activation::kNone;  // of an inlined one
};

inline constexpr int kCalledRows = 4;

template <Epilogue kEpilogue, int kRows, int kWidth>
[[gnu::always_inline]] inline void finish_sums(const OutputTile& tile, const std::int32_t* sums) {
  if constexpr (kEpilogue == Epilogue::kAny &&
                (kRows == 1 || kWidth * kColumnGroup == kPassColumns)) {
    finish_in_memory(tile, kRows, kWidth, sums);  // in the order it expects
  } else {
    Block<kRows, kWidth> acc;
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < kWidth; ++v) {
        acc[r][v] = _mm512_load_si512(sums + r * kPassColumns + v * kColumnGroup);
      }
    }
    finish<kEpilogue, kRows, kWidth>(tile, acc);
  }
}

// kRows rows of any width.
template <Epilogue kEpilogue, int kRows>
[[gnu::noinline]] void finish_sums(const GemmArgs& args, int row, const PassSums& pass,
                                   const std::int32_t* sums) {
  const OutputTile tile{args, row, pass.column};
  pass.vectors == 1 ? finish_sums<kEpilogue, kRows, 1>(tile, sums)
                    : finish_sums<kEpilogue, kRows, 2>(tile, sums);
}

// Rows [first, pass.rows).
template <Epilogue kEpilogue>
[[gnu::noinline]] void finish_rest(const GemmArgs& args, const PassSums& pass, int first) {
  int r = first;
  for (; r + kCalledRows <= pass.rows; r += kCalledRows) {
    finish_sums<kEpilogue, kCalledRows>(args, pass.row + r, pass, pass.at + r * kPassColumns);
  }
  for (; r < pass.rows; ++r) {
    finish_sums<kEpilogue, 1>(args, pass.row + r, pass, pass.at + r * kPassColumns);
  }
}

// Whether the ending of these sums is inlined.
template <Ending kEnding>
bool is_inlined(const GemmArgs& args, const PassSums& pass) {
  return kEnding.is_inlined && args.n - pass.column >= kPassColumns;
}

// Spreads the rows of a pass evenly over `slots` calls of some(). An ending that is inlined between
// tile instructions keeps the columns' scales and biases in registers; a call would spill them.
template <Ending kEnding, bool kInlined>
class PendingRows {
 public:
  [[gnu::always_inline]] PendingRows(const GemmArgs& args, const PassSums& pass, int slots)
      : args_(args), pass_(pass), slots_(slots), row_(pass.row), sums_(pass.at) {
    if (pass.rows == 0) {
      return;
    }
    units_ = pass.rows / kUnit;
    if constexpr (kInlined) {
      columns_[0] = ColumnTerms(args, pass.column);
      columns_[1] = ColumnTerms(args, pass.column + kColumnGroup);
      residual_scale_ = _mm512_set1_ps(args.residual_scale);
    }
  }

  [[gnu::always_inline]] void some() {
    for (due_ += units_; due_ >= slots_; due_ -= slots_) {
      if constexpr (kInlined) {
        finish_inlined();
      } else {
        finish_sums<kEnding.epilogue, kCalledRows>(args_, row_, pass_, sums_);
      }
      row_ += kUnit;
      sums_ += kUnit * kPassColumns;
    }
  }

  // Rows that no slot took.
  [[gnu::always_inline]] void rest() {
    if (row_ < pass_.row + pass_.rows) {
      finish_rest<kEnding.epilogue>(args_, pass_, row_ - pass_.row);
    }
  }

 private:
  static constexpr int kUnit = kInlined ? 2 : kCalledRows;

  [[gnu::always_inline]] void finish_inlined() {
    const OutputTile tile{args_, row_, pass_.column};
    FloatBlock<kUnit, 2> y;
#pragma GCC unroll 2
    for (int r = 0; r < kUnit; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < 2; ++v) {
        const __m512i sum = _mm512_load_si512(sums_ + r * kPassColumns + v * kColumnGroup);
        y[r][v] = scaled<kEnding.terms>(args_, row_ + r, columns_[v], sum);
      }
    }
    if constexpr (kEnding.epilogue == Epilogue::kAny) {
      activate_rows(y);
    }
    if (kEnding.epilogue == Epilogue::kFloats ||
        (kEnding.epilogue == Epilogue::kAny && args_.out_f32)) {
      store_f32<kUnit, 2>(tile, y, kEnding.has_residual, kColumnGroup);
    } else {
      store_bytes(tile, y);
    }
  }

  [[gnu::always_inline]] void activate_rows(FloatBlock<kUnit, 2>& y) {
    const __m512 inv_scale = _mm512_set1_ps(args_.out_inv_scale);
    const __m512 zero_point = _mm512_set1_ps(args_.out_zero_point);
#pragma GCC unroll 4
    for (int i = 0; i < kUnit * 2; ++i) {
      __m512& value = y[i / 2][i % 2];
      value = activate<kEnding.activation>(F32x16{value}).v;
      if (!args_.out_f32) {
        const __m512 t = _mm512_fmadd_ps(value, inv_scale, zero_point);
        value = _mm512_min_ps(_mm512_set1_ps(255.0F), t);  // NaN stays
      }
    }
  }

  [[gnu::always_inline]] void store_bytes(const OutputTile& tile, FloatBlock<kUnit, 2>& y) {
    static_assert(!kInlined || kUnit == 2, "four vectors are packed at once");
    if constexpr (kEnding.has_residual) {
      add_residual<kUnit, 2>(tile, residual_scale_, y);
    }
    const __m512i bytes = to_bytes({y[0][0], y[0][1], y[1][0], y[1][1]});
    store_u8<kUnit, 2>(tile, &bytes, kColumnGroup);
  }

  const GemmArgs& args_;
  const PassSums pass_;
  const int slots_;
  int units_ = 0;  // in all slots together
  int due_ = 0;
  int row_;  // the next
  const std::int32_t* sums_;
  ColumnTerms columns_[2];
  __m512 residual_scale_;
};

}  // namespace
}  // namespace qe::kernels
