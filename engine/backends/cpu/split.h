// Partition of a matrix product: by columns, so that every part streams its own share of the
// weights; by rows where columns do not divide well and rows do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/runtime/thread_pool.h"
#include "kernels/kernel_table.h"

namespace qe::cpu {

struct Tile {
  Part rows;
  Part columns;
};

inline constexpr int kRowUnit = 6;  // rows of the register tile

// `keep_rows`: the left-hand side is larger than the weights and was made by rows; a thread that
// stays with its rows finds them in its own cache.
inline Tile split_product(int rows, int columns, int column_unit, int parts, int part,
                          bool keep_rows = false, int row_unit = kRowUnit) {
  const auto share = [parts](int total, int unit) {  // of the largest part, 1 = perfect
    const int units = (total + unit - 1) / unit;
    const int most = (units + parts - 1) / parts;
    return static_cast<double>(most) * parts / units;
  };
  const double row_share = share(rows, row_unit);
  const double column_share = share(columns, column_unit);
  const bool by_rows = keep_rows ? row_share <= 1.1 * column_share : column_share > 1.1 * row_share;
  if (by_rows) return {split(rows, parts, part, row_unit), {0, columns}};
  return {{0, rows}, split(columns, parts, part, column_unit)};
}

// The packed weights of some columns, from a multiple of 64 on, of a product of depth k.
inline std::span<const std::int8_t> packed_columns(const std::int8_t* packed, const Part& columns,
                                                   int k) {
  if (columns.begin == columns.end) return {};
  const auto depth = static_cast<std::size_t>(kernels::round_up(k, kernels::kDepthGroup));
  const auto begin = static_cast<std::size_t>(columns.begin);
  const auto end = static_cast<std::size_t>(kernels::round_up(columns.end, kernels::kColumnGroup));
  return {packed + begin * depth, (end - begin) * depth};
}

}  // namespace qe::cpu
