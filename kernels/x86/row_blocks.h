// How many rows of a product are worked on at a time. Included only by files compiled for one
// instruction set, hence the anonymous namespace.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cache.h"
#include "kernels/kernel_table.h"
#include "kernels/x86/tap_rows.h"

namespace qe::kernels {
namespace {

// Rows whose part of A stays in the second-level cache beside the present and the next panel. Rows
// of a convolution share most of their bytes with their neighbours.
inline int rows_per_block(const GemmArgs& args) {
  constexpr std::ptrdiff_t kOwnTaps = 4;  // at a stride of two, one at a stride of one
  constexpr int kFewest = 48;
  const auto cache = static_cast<std::ptrdiff_t>(l2_cache_bytes() / 4 * 3);
  const std::ptrdiff_t taps = tap_count(args);
  const std::ptrdiff_t piece = round_up(args.k, kDepthGroup);
  const std::ptrdiff_t offsets = args.taps ? taps * std::ptrdiff_t{sizeof(std::int32_t)} : 0;
  const std::ptrdiff_t row_bytes = piece * (taps < kOwnTaps ? taps : kOwnTaps) + offsets + 1;
  const std::ptrdiff_t rows = (cache - 2 * kPanelWidth * taps * piece) / row_bytes;
  const int most = rows < kFewest ? kFewest : rows < args.m ? static_cast<int>(rows) : args.m;
  const int blocks = (args.m + most - 1) / most;
  return (args.m + blocks - 1) / blocks;
}

}  // namespace
}  // namespace qe::kernels
