// The copying thread of a kernel for compute capability 9.0: bulk tensor copies into the ring of
// stages, a stage's bytes announced first. Device code, for one file.
#pragma once

#include <cstdint>

#include "kernels/cuda/ptx/hopper.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/wgmma_tile.h"

namespace qe::kernels::cuda {
namespace {

// One operand: whose rows this block brings of a tile, and for which blocks of the cluster.
struct Share {
  const CUtensorMap& map;
  int part = 0;
  unsigned blocks = 0;  // a bit each
};

// kRows rows of a tile, the operand's whole tile where a block has it for itself (kAlone).
template <int kRows, bool kAlone>
__device__ __forceinline__ void copy_share(const Share& share, std::uint32_t to, int depth, int row,
                                           std::uint32_t full) {
  if constexpr (kAlone) {
    copy_tile(to, share.map, depth, row, full);
  } else {
    copy_tile_to(static_cast<std::uint16_t>(share.blocks), to + share.part * kRows * kDepthBytes,
                 share.map, depth, row + share.part * kRows, full);
  }
}

// What the copying thread does. A stage begins with its weights, which are constants: those of the
// first stages come while the launch before this one still runs.
template <class Tile>
class TileCopies {
 public:
  __device__ __forceinline__ TileCopies(const Product& p, const Shared<Tile>& shared,
                                        const CUtensorMap& major, const CUtensorMap& minor)
      : p_(p), shared_(shared), work_(all_work<Tile>(p)), major_{major}, minor_{minor} {
    // A constant of the function: device code has no address of one of the class.
    constexpr KernelShape kShape = Tile::kShape;
    const TileIndex place =
        place_in_cluster(kShape, Tile::kCluster > 1 ? static_cast<int>(block_in_cluster()) : 0);
    major_.part = place.minor;
    major_.blocks = row_mates(kShape, place);
    minor_.part = place.major;
    minor_.blocks = column_mates(kShape, place);
  }

  __device__ __forceinline__ void run() const {
    int begun = begin_first_stages();
    wait_for_launches_before();
    allow_next_launch();
    RingPosition<Tile::kStages> at;
    for (int i = static_cast<int>(blockIdx.x); i < work_.items; i += static_cast<int>(gridDim.x)) {
      const Item item = item_at<Tile>(p_, work_, i);
      for (int step = item.range.begin; step < item.range.end; ++step) {
        if (begun > 0) {
          --begun;
        } else {
          wait_barrier(shared_.empty(at.stage), at.parity ^ 1U);
          begin_stage(item, step, at.stage);
        }
        copy<!Tile::kSwapped>(item, step, at.stage);
        at.advance();
      }
    }
  }

 private:
  // How many.
  __device__ __forceinline__ int begin_first_stages() const {
    const int first = static_cast<int>(blockIdx.x);
    if (first >= work_.items) {
      return 0;
    }
    const Item item = item_at<Tile>(p_, work_, first);
    const int steps = item.range.end - item.range.begin;
    const int count = steps < Tile::kStages ? steps : Tile::kStages;
#pragma unroll 1
    for (int stage = 0; stage < count; ++stage) {
      begin_stage(item, item.range.begin + stage, stage);
    }
    return count;
  }

  __device__ __forceinline__ void begin_stage(const Item& item, int step, int stage) const {
    arrive_expecting(shared_.full(stage), Tile::kStageBytes);
    copy<Tile::kSwapped>(item, step, stage);
  }

  template <bool kMajorOperand>
  __device__ __forceinline__ void copy(const Item& item, int step, int stage) const {
    const std::uint32_t full = shared_.full(stage);
    const int depth = step * kDepthBytes;
    constexpr KernelShape kShape = Tile::kShape;
    if constexpr (kMajorOperand) {
      copy_share<kShape.major_share(), kShape.cluster_minor == 1>(
          major_, shared_.major(stage), depth, item.index.major * Tile::kMajor, full);
    } else {
      copy_share<kShape.minor_share(), kShape.cluster_major == 1>(
          minor_, shared_.minor(stage), depth, item.index.minor * Tile::kMinor, full);
    }
  }

  const Product& p_;
  const Shared<Tile>& shared_;
  Work work_;
  Share major_, minor_;
};

}  // namespace
}  // namespace qe::kernels::cuda
