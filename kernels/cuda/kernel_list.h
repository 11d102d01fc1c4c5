// The kernels of the product, as one list: it instantiates them, and the choice, the tests and the
// benchmark walk it. Plain C++, so that the choice is tested without a GPU.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>

#include "kernels/cuda/tile_maps.h"

namespace qe::kernels::cuda {

enum class Family : std::uint8_t {
  kMma,    // mma.sync on any GPU from compute capability 8.0
  kWgmma,  // warp group instructions and bulk tensor copies, 9.0 alone
};

// A tile of the product is `major` rows of fragments by `minor` columns. Swapped kernels put the
// weights along the rows, where the instructions take at least 16 or 64 of them, and so waste
// nothing on a handful of activations.
struct KernelShape {
  const char* name;
  Family family;
  int major, minor;
  bool swapped;
  int stages;  // of the pipeline through shared memory
  // kMma: the warps' grid. kWgmma: warp groups that multiply, and whether each has a tile of its
  // own (one multiplies while the other finishes) or they share one, 64 rows each.
  int warps_major, warps_minor;
  int groups;
  bool ping_pong;
  // Blocks that take neighbouring tiles, along the rows and along the columns: of what neighbours
  // read alike each brings a share, for all of them.
  int cluster_major, cluster_minor;

  constexpr int warps() const {
    return family == Family::kMma ? warps_major * warps_minor : groups * 4;
  }
  // Warps that share a tile.
  constexpr int tile_warps() const { return ping_pong ? 4 : warps(); }
  constexpr int stage_bytes() const { return (major + minor) * kDepthBytes; }
  constexpr int cluster() const { return cluster_major * cluster_minor; }
  // Rows of each operand that a block brings.
  constexpr int major_share() const { return major / cluster_minor; }
  constexpr int minor_share() const { return minor / cluster_major; }
};

constexpr KernelShape mma_kernel(const char* name, int major, int minor, int warps_major,
                                 int warps_minor, int stages, bool swapped) {
  return {name,        Family::kMma, major, minor, swapped, stages,
          warps_major, warps_minor,  0,     false, 1,       1};
}
constexpr KernelShape wgmma_kernel(const char* name, int major, int minor, int groups, int stages,
                                   bool swapped) {
  return {name, Family::kWgmma, major, minor, swapped, stages, 0, 0, groups, false, 1, 1};
}
constexpr KernelShape ping_pong(KernelShape shape) {
  shape.ping_pong = true;
  return shape;
}
constexpr KernelShape in_pairs(KernelShape shape) {
  shape.cluster_major = 2;
  return shape;
}
constexpr KernelShape in_fours(KernelShape shape) {
  shape.cluster_major = 2;
  shape.cluster_minor = 2;
  return shape;
}

// A family's kernels follow one another.
inline constexpr KernelShape kKernels[] = {
    mma_kernel("mma 128x128", 128, 128, 2, 4, 3, false),
    mma_kernel("mma 64x64", 64, 64, 2, 2, 4, false),
    mma_kernel("mma 64x32 swapped", 64, 32, 4, 1, 6, true),
    wgmma_kernel("wgmma 128x256", 128, 256, 2, 4, false),
    in_pairs(wgmma_kernel("wgmma 128x256 in pairs", 128, 256, 2, 4, false)),
    ping_pong(wgmma_kernel("wgmma 128x128 ping-pong", 128, 128, 2, 6, false)),
    ping_pong(in_pairs(wgmma_kernel("wgmma 128x128 ping-pong in pairs", 128, 128, 2, 6, false))),
    ping_pong(in_fours(wgmma_kernel("wgmma 128x128 ping-pong in fours", 128, 128, 2, 6, false))),
    wgmma_kernel("wgmma 128x128", 128, 128, 2, 6, false),
    wgmma_kernel("wgmma 64x64", 64, 64, 1, 6, false),
    wgmma_kernel("wgmma 64x16 swapped", 64, 16, 1, 8, true),
    wgmma_kernel("wgmma 64x32 swapped", 64, 32, 1, 8, true),
};
inline constexpr int kKernelCount = static_cast<int>(std::size(kKernels));

constexpr int first_of(Family family) {
  int first = 0;
  while (first < kKernelCount && kKernels[first].family != family) {
    ++first;
  }
  return first;
}
constexpr int count_of(Family family) {
  int count = 0;
  for (const KernelShape& shape : kKernels) {
    count += shape.family == family ? 1 : 0;
  }
  return count;
}

// Tiles of a product of m x n results, whole clusters: the last of one may lie outside.
struct TileGrid {
  int majors, minors;
  constexpr int count() const { return majors * minors; }
};
constexpr TileGrid tile_grid(const KernelShape& shape, int m, int n) {
  const int along = shape.swapped ? n : m;
  const int across = shape.swapped ? m : n;
  const int rows = shape.major * shape.cluster_major;
  const int columns = shape.minor * shape.cluster_minor;
  return {(along + rows - 1) / rows * shape.cluster_major,
          (across + columns - 1) / columns * shape.cluster_minor};
}

// A block's place in its cluster.
constexpr TileIndex place_in_cluster(const KernelShape& shape, int rank) {
  return {rank % shape.cluster_major, rank / shape.cluster_major};
}

// The blocks of its cluster, itself among them, that multiply the same rows of the major operand,
// and those that multiply the same rows of the minor one; a bit each.
constexpr unsigned row_mates(const KernelShape& shape, const TileIndex& place) {
  unsigned blocks = 0;
  for (int i = 0; i < shape.cluster_minor; ++i) {
    blocks |= 1U << static_cast<unsigned>(place.major + i * shape.cluster_major);
  }
  return blocks;
}
constexpr unsigned column_mates(const KernelShape& shape, const TileIndex& place) {
  return ((1U << static_cast<unsigned>(shape.cluster_major)) - 1U)
         << static_cast<unsigned>(place.minor * shape.cluster_major);
}

// Tile `tile` of the grid's order; those of a cluster follow one another.
constexpr TileIndex tile_of(const KernelShape& shape, int tile, const TileGrid& grid,
                            int group_tiles = kGroupTiles) {
  const TileIndex index = tile_at(tile / shape.cluster(), grid.majors / shape.cluster_major,
                                  grid.minors / shape.cluster_minor, group_tiles);
  const TileIndex place = place_in_cluster(shape, tile % shape.cluster());
  return {index.major * shape.cluster_major + place.major,
          index.minor * shape.cluster_minor + place.minor};
}

// Parts of a tile are added up in memory, so only as many blocks as the GPU has multiprocessors
// share depths, and only with the smaller tiles: this bounds the memory.
inline constexpr int kLargestSplitTile = 128 * 128;
inline constexpr int kMostSplits = 16;

constexpr bool may_split(const KernelShape& shape) {
  return shape.major * shape.minor <= kLargestSplitTile && shape.cluster() == 1;
}
constexpr std::size_t partial_bytes(int multiprocessors) {
  return static_cast<std::size_t>(multiprocessors) * kLargestSplitTile * sizeof(std::int32_t);
}
constexpr std::size_t arrival_bytes(int multiprocessors) {
  return static_cast<std::size_t>(multiprocessors) * 8 * sizeof(std::uint32_t);
}

constexpr bool valid_splits(const KernelShape& shape, int m, int n, int k, int splits,
                            int multiprocessors) {
  return splits == 1 ||
         (splits > 1 && splits <= kMostSplits && splits <= depth_steps(k) && may_split(shape) &&
          static_cast<std::int64_t>(tile_grid(shape, m, n).count()) * splits <= multiprocessors);
}

// Whether the kernel can make bytes of whole rows (RowBytes). A warp group that waits for other
// blocks must not hold up its own block's next tile, on which one of those may wait; and where this
// is worth while, operands are shared.
constexpr bool makes_row_bytes(const KernelShape& shape) {
  return shape.ping_pong && shape.cluster() > 1;
}

// How many blocks of each kernel a GPU holds at once; 0 where it cannot run one.
using ResidentBlocks = std::array<int, kKernelCount>;

struct Choice {
  int kernel, splits;
};

// The estimated cycles of a kernel: rounds of blocks over the multiprocessors, each of them a
// pipeline that fills, multiplies as fast as its operands come, and finishes. A model, not yet a
// table of measurements.
constexpr double estimated_cycles(const KernelShape& shape, int m, int n, int k, int splits,
                                  int multiprocessors, int resident) {
  constexpr double kFill = 1500.0;             // launch, first loads from memory
  constexpr double kFinishPerElement = 0.125;  // instructions of a warp's lane over lanes a cycle
  constexpr double kJoin = 1500.0;             // writing and reading the parts
  constexpr double kBytesPerCycle = 30.0;      // from the second-level cache, a multiprocessor
  constexpr double kSharedBytesPerCycle = 128.0;
  // Multiply-adds a cycle.
  const double rate = shape.family == Family::kWgmma ? 4096.0 : 1400.0;
  const TileGrid grid = tile_grid(shape, m, n);
  const std::int64_t blocks = static_cast<std::int64_t>(grid.count()) * splits;
  const std::int64_t rounds = (blocks + resident - 1) / resident;
  // Blocks of one multiprocessor take turns.
  const std::int64_t active = std::min<std::int64_t>(blocks, resident);
  const std::int64_t turns = (active + multiprocessors - 1) / multiprocessors;
  const int steps = (depth_steps(k) + splits - 1) / splits;
  const double area = static_cast<double>(shape.major) * shape.minor;
  const double multiply = area * kDepthBytes / rate;
  const double feed = (shape.major_share() + shape.minor_share()) * kDepthBytes / kBytesPerCycle;
  // An instruction reads 64 rows of one operand and all rows of the other.
  const double read = shape.major / 64.0 * (64 + shape.minor) * kDepthBytes / kSharedBytesPerCycle;
  const double step = std::max({multiply, feed, read});
  const double finish = area * kFinishPerElement;
  const double tile = shape.ping_pong ? std::max(steps * step, (steps * step + finish) / 2.0)
                                      : steps * step + finish;
  return kFill + static_cast<double>(rounds * turns) * tile + (shape.ping_pong ? finish : 0.0) +
         (splits > 1 ? kJoin : 0.0);
}

// Kernels of compute capability 9.0 wherever a GPU has them.
constexpr Choice choose_kernel(int m, int n, int k, int multiprocessors,
                               const ResidentBlocks& resident) {
  const bool has_wgmma = resident[first_of(Family::kWgmma)] > 0;
  Choice best{.kernel = 0, .splits = 1};
  double best_cycles = -1.0;
  for (int kernel = 0; kernel < kKernelCount; ++kernel) {
    const KernelShape& shape = kKernels[kernel];
    if ((shape.family == Family::kWgmma) != has_wgmma || resident[kernel] == 0) {
      continue;
    }
    for (int splits = 1; splits <= kMostSplits; ++splits) {
      if (!valid_splits(shape, m, n, k, splits, multiprocessors)) {
        continue;
      }
      const double cycles =
          estimated_cycles(shape, m, n, k, splits, multiprocessors, resident[kernel]);
      if (best_cycles < 0.0 || cycles < best_cycles) {
        best_cycles = cycles;
        best = {.kernel = kernel, .splits = splits};
      }
    }
  }
  return best;
}

}  // namespace qe::kernels::cuda
