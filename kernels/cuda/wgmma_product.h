// The kernel for compute capability 9.0: one warp brings tiles through a ring of stages with bulk
// tensor copies, warp groups multiply them with wgmma, sums in registers. The grid is as large as
// the GPU; every block walks tiles until none is left. In ping-pong kernels two warp groups take
// tiles in turn, one finishing its results while the other multiplies. Device code, for one file.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/depth_parts.h"
#include "kernels/cuda/epilogue.h"
#include "kernels/cuda/ptx/hopper.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/ptx/shared.h"
#include "kernels/cuda/ptx/wgmma.h"
#include "kernels/cuda/row_bytes.h"
#include "kernels/cuda/wgmma_copies.h"
#include "kernels/cuda/wgmma_tile.h"

namespace qe::kernels::cuda {
namespace {

// Whether this lane tells a block, this one or that of its number in the cluster, what its warp has
// read: all blocks that write into this one's stages have to know.
template <class Tile>
__device__ __forceinline__ bool tells_a_block(int lane) {
  if constexpr (Tile::kCluster == 1) {
    return lane == 0;
  } else {
    constexpr KernelShape kShape = Tile::kShape;
    const TileIndex place = place_in_cluster(kShape, static_cast<int>(block_in_cluster()));
    return ((row_mates(kShape, place) | column_mates(kShape, place)) >> lane & 1U) != 0;
  }
}

// This warp has read the stage.
template <class Tile>
__device__ __forceinline__ void release(const Shared<Tile>& shared, int stage, int lane,
                                        bool tells) {
  if (!tells) {
    return;
  }
  if constexpr (Tile::kCluster == 1) {
    arrive(shared.empty(stage));
  } else {
    arrive_at(static_cast<std::uint32_t>(lane), shared.empty(stage));
  }
}

// The sums of one item, as its stages arrive. `first_row`: of the warp group in the tile. `issued`
// is called once the last instruction is under way.
template <class Tile, Signs kSigns, class Issued>
__device__ __forceinline__ void multiply_item(int (&acc)[Tile::kSlabs][Tile::kRegisters], int steps,
                                              const Shared<Tile>& shared, int first_row,
                                              RingPosition<Tile::kStages>& at, int lane,
                                              Issued issued) {
  const bool tells = tells_a_block<Tile>(lane);
  int before = -1;  // the stage that the batch before reads
  for (int step = 0; step < steps; ++step) {
    wait_barrier(shared.full(at.stage), at.parity);
    const std::uint64_t a = matrix_descriptor(shared.major(at.stage) + first_row * kDepthBytes);
    const std::uint64_t b = matrix_descriptor(shared.minor(at.stage));
    hold(acc);
    wgmma_fence();
#pragma unroll
    for (int i = 0; i < kInstructionsPerTile; ++i) {
#pragma unroll
      for (int slab = 0; slab < Tile::kSlabs; ++slab) {
        const std::uint64_t rows = slab * (kGroupRows * kDepthBytes / 16);
        wgmma<kSigns>(acc[slab], a + rows + i * kDescriptorStep, b + i * kDescriptorStep,
                      step > 0 || i > 0 ? 1 : 0);
      }
    }
    wgmma_commit();
    wgmma_wait<1>();
    if (before >= 0) {
      release(shared, before, lane, tells);
    }
    before = at.stage;
    at.advance();
  }
  issued();
  wgmma_wait<0>();
  hold(acc);
  release(shared, before, lane, tells);
}

// A warp group's columns of one item, the `number`-th that it has: loaded at once, in shared memory
// for all its warps once they have published. Who waits for a set knows that all have read the one
// before, whose place the next one takes.
template <class Tile>
class GroupColumns {
 public:
  __device__ __forceinline__ GroupColumns(const Product& p, int column, const Shared<Tile>& shared,
                                          std::byte* memory, int group, int number)
      : place_(reinterpret_cast<ColumnValues*>(memory + Tile::kColumnsAt) +
               (group * 2 + number % 2) * Tile::kColumns),
        barrier_(shared.columns(group)),
        parity_(static_cast<std::uint32_t>(number) & 1U),
        thread_(static_cast<int>(threadIdx.x) % kGroupThreads) {
    share_.load(p, column, thread_);
  }
  __device__ __forceinline__ void publish(int lane) const {
    share_.store(place_, thread_);
    __syncwarp();
    if (lane == 0) {
      arrive(barrier_);
    }
  }
  __device__ __forceinline__ const ColumnValues* wait() const {
    wait_barrier(barrier_, parity_);
    return place_;
  }

 private:
  ColumnShare<Tile::kColumns, kGroupThreads> share_;
  ColumnValues* place_;
  std::uint32_t barrier_, parity_;
  int thread_;
};

template <class Tile, Signs kSigns>
__device__ __forceinline__ void multiply_tiles(const Product& p, const Shared<Tile>& shared,
                                               std::byte* memory, int group, int warp, int lane) {
  const Work work = all_work<Tile>(p);
  RingPosition<Tile::kStages> at;
  std::byte* staging = memory + Tile::kStagingAt + (group * kGroupWarps + warp) * kStagingBytes;
  const int first_row = Tile::kPingPong ? 0 : group * kGroupRows;
  const int tile_warp = Tile::kPingPong ? warp : group * kGroupWarps + warp;
  int acc[Tile::kSlabs][Tile::kRegisters] = {};
  int round = 0;
  int own = 0;  // items of this group
  for (int i = static_cast<int>(blockIdx.x); i < work.items;
       i += static_cast<int>(gridDim.x), ++round) {
    const Item item = item_at<Tile>(p, work, i);
    const int steps = item.range.end - item.range.begin;
    if (Tile::kPingPong && round % 2 != group) {
      at.advance(steps);  // the other group's
      continue;
    }
    const int major = item.index.major * Tile::kMajor;
    const int minor = item.index.minor * Tile::kMinor;
    GroupColumns<Tile> columns(p, Tile::kSwapped ? major : minor, shared, memory, group, own++);
    typename Tile::Part::Rows rows;
    const int warp_major = major + first_row + warp * 16;
    const int row = Tile::kSwapped ? minor : warp_major;
    load_row_values<typename Tile::Part>(p, work.m, row, lane, rows);
    if constexpr (Tile::kPingPong) {
      // Not before the other group has waited for all stages of the item before: nobody may be
      // more than one phase behind a barrier.
      const int turn = group == 0 ? round / 2 - 1 : round / 2;
      if (turn >= 0) {
        wait_barrier(shared.turn(group), static_cast<std::uint32_t>(turn) & 1U);
      }
    }
    multiply_item<Tile, kSigns>(acc, steps, shared, first_row, at, lane, [&] {
      if (Tile::kPingPong && lane == 0) {
        arrive(shared.turn(1 - group));
      }
      columns.publish(lane);
    });
    const ColumnValues* values = columns.wait();
    if constexpr (Tile::kRowBytes) {
      if (p.row_bytes.q != nullptr) {
        RowBytesPart<typename Tile::Part>(p, work.m, work.grid, item.index, Tile::kMajor, row,
                                          staging, lane)
            .store(acc, rows, minor, values, tile_warp, Tile::kShape.tile_warps());
        continue;
      }
    }
    if (!may_split(Tile::kShape) ||
        add_parts(p, acc, item.tile, item.part, tile_warp, Tile::kShape.tile_warps(), lane)) {
      const int first = Tile::kSwapped ? first_row + warp * 16 : 0;  // of the tile's columns
      store_part<typename Tile::Part>(p, work.m, acc, rows, row,
                                      Tile::kSwapped ? warp_major : minor, values + first, staging,
                                      lane);
    }
  }
}

template <int kKernel, Signs kSigns>
__global__ void __launch_bounds__(WgmmaTile<kKernel>::kThreads,
                                  WgmmaTile<kKernel>::kBlocksPerMultiprocessor)
    wgmma_product(const __grid_constant__ Product p, const __grid_constant__ CUtensorMap major,
                  const __grid_constant__ CUtensorMap minor) {
  using Tile = WgmmaTile<kKernel>;
  std::byte* dynamic = dynamic_shared();
  const auto start = shared_address(dynamic);
  const std::uint32_t skip = (kSwizzleAtomBytes - start % kSwizzleAtomBytes) % kSwizzleAtomBytes;
  const Shared<Tile> shared{start + skip};
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % kWarpLanes;
  const int warp = thread / kWarpLanes % kGroupWarps;
  // The same in all lanes, and known to be so by the compiler.
  const int group = __shfl_sync(0xFFFFFFFFU, thread / kGroupThreads, 0);
  if (thread == 0) {
    prefetch_tensor_map(major);
    prefetch_tensor_map(minor);
    for (int stage = 0; stage < Tile::kStages; ++stage) {
      init_barrier(shared.full(stage), 1);
      init_barrier(shared.empty(stage), Tile::kShape.tile_warps() * Tile::kPartners);
    }
    for (int each = 0; each < 2; ++each) {
      init_barrier(shared.turn(each), kGroupWarps);
      init_barrier(shared.columns(each), kGroupWarps);
    }
    publish_barriers();
  }
  if constexpr (Tile::kCluster == 1) {
    __syncthreads();
  } else {
    wait_for_cluster();
  }
  if (group == 0) {
    if constexpr (Tile::kGroups == 2) {
      give_registers<kCopyRegisters>();
    }
    if (thread < kWarpLanes) {
      if (thread == 0) {
        TileCopies<Tile>(p, shared, major, minor).run();
      }
      __syncwarp();  // the copying lane goes first: a warp that waits for launches waits whole
    }
    if (thread != 0) {
      wait_for_launches_before();
      allow_next_launch();
    }
  } else {
    if constexpr (Tile::kGroups == 2) {
      take_registers<kMultiplyRegisters>();
    }
    wait_for_launches_before();
    allow_next_launch();
    multiply_tiles<Tile, kSigns>(p, shared, dynamic + skip, group - 1, warp, lane);
  }
  if constexpr (Tile::kCluster > 1) {
    __syncwarp();
    wait_for_cluster();  // the other block may still arrive at barriers here
  }
}

}  // namespace
}  // namespace qe::kernels::cuda
