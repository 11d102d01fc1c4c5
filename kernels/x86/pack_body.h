// Packing of weights, included once by the pack.cpp of each x86 instruction set and written in its
// `Dwords`, a register of 32-bit lanes: as many rows of W as it has lanes, by its bytes of depth,
// become, transposed as dwords, as many depth steps of as many columns of the packed layout
// (kernels/kernel_table.h). Reads nothing beyond the rows and depth of W. Everything is in an
// anonymous namespace, so no body is shared between folders.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/isa_tables.h"

namespace qe::kernels {
namespace {

// Columns [column, column + lanes), of which those below n exist, into a panel: `step_bytes` from
// one depth step to the next. Returns the sums of the columns.
template <class Dwords>
inline Dwords pack_columns(const PackWeightsArgs& args, int column, std::int8_t* out,
                           std::ptrdiff_t step_bytes) {
  constexpr int kSide = Dwords::kLanes;  // rows and dwords of a block
  constexpr int kBlockBytes = kSide * kDepthGroup;
  const std::int8_t* w = args.w + column * args.ldw;
  const int columns = args.n - column < kSide ? args.n - column : kSide;
  Dwords sum = Dwords::zero();
  for (int k = 0; k < args.k; k += kBlockBytes) {
    const int bytes = args.k - k < kBlockBytes ? args.k - k : kBlockBytes;
    Dwords block[kSide];
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) {
      block[i] = i < columns ? Dwords::load(w + i * args.ldw + k, bytes) : Dwords::zero();
    }
    transpose(block);
    const int steps = (bytes + kDepthGroup - 1) / kDepthGroup;
#pragma GCC unroll 16
    for (int i = 0; i < kSide; ++i) {
      sum = add_groups(sum, block[i]);
      if (i < steps) {
        block[i].store(out);
        out += step_bytes;
      }
    }
  }
  return sum;
}

template <class Dwords>
inline void pack_weights_body(const PackWeightsArgs& args) {
  const int columns = round_up(args.n, kColumnGroup);
  for (int panel = args.first_panel; panel < args.last_panel; ++panel) {
    const int first = panel * kPanelWidth;
    const int last = first + kPanelWidth < columns ? first + kPanelWidth : columns;
    const std::ptrdiff_t step_bytes = static_cast<std::ptrdiff_t>(last - first) * kDepthGroup;
    std::int8_t* out =
        args.packed + static_cast<std::ptrdiff_t>(first) * round_up(args.k, kDepthGroup);
    for (int column = first; column < last; column += Dwords::kLanes) {
      const Dwords sum =
          pack_columns<Dwords>(args, column, out + (column - first) * kDepthGroup, step_bytes);
      if (args.column_sum) {
        sum.store_anywhere(args.column_sum + column);
      }
    }
  }
}

}  // namespace
}  // namespace qe::kernels
