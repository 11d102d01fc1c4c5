// The frame of a kernel for compute capability 9.0: its tile and its shared memory, and what of the
// product a block does, one item after the other. Device code, for one file.
#pragma once

#include <cstdint>

#include "kernels/cuda/epilogue.h"
#include "kernels/cuda/kernel_list.h"

namespace qe::kernels::cuda {
namespace {

constexpr int kGroupWarps = 4;
constexpr int kGroupThreads = kGroupWarps * kWarpLanes;
constexpr int kGroupRows = 64;  // of one instruction

// Registers of a thread: what two warp groups that multiply and one that copies share out.
constexpr int kCopyRegisters = 40;
constexpr int kMultiplyRegisters = 232;

template <int kKernel>
struct WgmmaTile {
  static constexpr KernelShape kShape = kKernels[kKernel];
  static constexpr int kMajor = kShape.major;
  static constexpr int kMinor = kShape.minor;
  static constexpr int kStages = kShape.stages;
  static constexpr bool kSwapped = kShape.swapped;
  static constexpr bool kPingPong = kShape.ping_pong;
  static constexpr int kCluster = kShape.cluster();
  // Blocks of the cluster, this one among them, that bring something for a block.
  static constexpr int kPartners = kShape.cluster_major + kShape.cluster_minor - 1;
  static constexpr int kGroups = kShape.groups;
  static constexpr int kThreads = (1 + kGroups) * kGroupThreads;
  static constexpr int kSlabs = kPingPong ? kMajor / kGroupRows : 1;  // instructions of a group
  static constexpr int kRegisters = kMinor / 2;
  using Part = WarpPart<kSwapped, kGroupRows, kSlabs, kRegisters>;
  static constexpr bool kRowBytes = makes_row_bytes(kShape);
  static constexpr int kBlocksPerMultiprocessor = kGroups == 1 ? 2 : 1;
  static_assert(kPingPong ? kGroups == 2 : kMajor == kGroups * kGroupRows);

  static constexpr int kMajorBytes = kMajor * kDepthBytes;
  static constexpr int kStageBytes = kShape.stage_bytes();
  static constexpr int kStagingAt = kStages * kStageBytes;
  // Two sets of columns for each warp group: one is read while the next is written.
  static constexpr int kColumns = kSwapped ? kMajor : kMinor;
  static constexpr int kColumnsAt = kStagingAt + kGroups * kGroupWarps * kStagingBytes;
  static constexpr int kBarriersAt = kColumnsAt + kGroups * 2 * kColumns * kColumnBytes;
  static constexpr int kBarriers = 2 * kStages + 4;
  // The tiles begin at a multiple of their swizzle pattern.
  static constexpr int kSharedBytes = kBarriersAt + kBarriers * 8 + kSwizzleAtomBytes;
  static_assert(kStageBytes % kSwizzleAtomBytes == 0 && kMajorBytes % kSwizzleAtomBytes == 0);
  static_assert(kSharedBytes * kBlocksPerMultiprocessor <= 227 * 1024);
};

// A place in the ring of stages and the parity of its current use.
template <int kStages>
struct RingPosition {
  int stage = 0;
  std::uint32_t parity = 0;

  __device__ __forceinline__ void advance() {
    if (++stage == kStages) {
      stage = 0;
      parity ^= 1U;
    }
  }
  __device__ __forceinline__ void advance(int count) {
    const int sum = stage + count;
    stage = sum % kStages;
    parity ^= static_cast<std::uint32_t>(sum / kStages) & 1U;
  }
};

// The block's shared memory by address.
template <class Tile>
struct Shared {
  std::uint32_t base;

  __device__ std::uint32_t major(int stage) const { return base + stage * Tile::kStageBytes; }
  __device__ std::uint32_t minor(int stage) const { return major(stage) + Tile::kMajorBytes; }
  __device__ std::uint32_t barrier(int i) const { return base + Tile::kBarriersAt + i * 8; }
  __device__ std::uint32_t full(int stage) const { return barrier(stage); }
  __device__ std::uint32_t empty(int stage) const { return barrier(Tile::kStages + stage); }
  __device__ std::uint32_t turn(int group) const { return barrier(2 * Tile::kStages + group); }
  __device__ std::uint32_t columns(int group) const { return turn(2 + group); }
};

// What a block does, one after the other: item i of the grid's order is part i % splits of tile
// i / splits.
struct Work {
  int m;
  TileGrid grid;
  int items, steps;
};
struct Item {
  int tile, part;
  TileIndex index;
  DepthRange range;
};

template <class Tile>
__device__ __forceinline__ Work all_work(const Product& p) {
  constexpr KernelShape kShape = Tile::kShape;
  const int m = row_count(p);
  const TileGrid grid = tile_grid(kShape, m, p.w.n);
  return {m, grid, grid.count() * p.splits, depth_steps(p.w.k)};
}

template <class Tile>
__device__ __forceinline__ Item item_at(const Product& p, const Work& work, int item) {
  constexpr KernelShape kShape = Tile::kShape;
  const int tile = item / p.splits;
  const int part = item % p.splits;
  // Who waits for all tiles of its rows wants them next to each other.
  const int group = p.row_bytes.q != nullptr ? 1 : kGroupTiles;
  return {tile, part, tile_of(kShape, tile, work.grid, group),
          depth_part(work.steps, part, p.splits)};
}

}  // namespace
}  // namespace qe::kernels::cuda
