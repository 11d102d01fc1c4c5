// When a product makes bytes of its rows where it computes them (RowBytes), by which kernel, and
// the memory its blocks share for it. Plain C++, so that it is tested without a GPU.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>

#include "kernels/cuda/kernel_list.h"

namespace qe::kernels::cuda {

// A warp group holds its tile until all tiles of its rows are multiplied, while the other one of
// its block goes on with the next tile. So the tiles of the same rows may lie in two neighbouring
// rounds of the grid and no more, or somebody would wait for a tile that its own block has yet to
// begin.
constexpr bool can_meet(const KernelShape& shape, int n, int resident) {
  return makes_row_bytes(shape) && shape.cluster_major * tile_grid(shape, 1, n).minors <= resident;
}

// The kernel, among those that can; none where a GPU has none of them.
constexpr std::optional<Choice> choose_row_bytes_kernel(int m, int n, int k, int multiprocessors,
                                                        const ResidentBlocks& resident) {
  std::optional<Choice> best;
  double best_cycles = 0.0;
  for (int kernel = 0; kernel < kKernelCount; ++kernel) {
    const KernelShape& shape = kKernels[kernel];
    if (resident[kernel] == 0 || !can_meet(shape, n, resident[kernel])) {
      continue;
    }
    const double cycles = estimated_cycles(shape, m, n, k, 1, multiprocessors, resident[kernel]);
    if (!best || cycles < best_cycles) {
      best_cycles = cycles;
      best = {.kernel = kernel, .splits = 1};
    }
  }
  return best;
}

// The memory of products of up to m x n results, for any of the kernels. Gates are zero before the
// first launch.
struct RowBytesScratch {
  std::size_t gate_bytes = 0, largest_bytes = 0;

  constexpr void extend(const RowBytesScratch& other) {
    gate_bytes = std::max(gate_bytes, other.gate_bytes);
    largest_bytes = std::max(largest_bytes, other.largest_bytes);
  }
};
constexpr RowBytesScratch row_bytes_scratch(int m, int n) {
  RowBytesScratch most;
  for (const KernelShape& shape : kKernels) {
    if (makes_row_bytes(shape)) {
      const TileGrid grid = tile_grid(shape, m, n);
      const auto majors = static_cast<std::size_t>(grid.majors);
      const auto warps = static_cast<std::size_t>(shape.tile_warps());
      most.extend({.gate_bytes = majors * warps * 2 * sizeof(unsigned int),
                   .largest_bytes = majors * static_cast<std::size_t>(shape.major) *
                                    static_cast<std::size_t>(grid.minors) * sizeof(float)});
    }
  }
  return most;
}

}  // namespace qe::kernels::cuda
