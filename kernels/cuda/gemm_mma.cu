// The portable product: mma.sync.m16n8k32 on 8-bit operands, which ldmatrix takes from shared
// memory and a pipeline of asynchronous copies brings there. One block a tile and part of the
// depth, for every GPU from compute capability 8.0.
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cuda/depth_parts.h"
#include "kernels/cuda/entry.h"
#include "kernels/cuda/epilogue.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/ptx/mma.h"
#include "kernels/cuda/ptx/shared.h"

namespace qe::kernels::cuda {
namespace {

template <int kKernel>
struct MmaTile {
  static constexpr KernelShape kShape = kKernels[kKernel];
  static constexpr int kMajor = kShape.major;
  static constexpr int kMinor = kShape.minor;
  static constexpr int kStages = kShape.stages;
  static constexpr bool kSwapped = kShape.swapped;
  static constexpr int kWarps = kShape.warps();
  static constexpr int kThreads = kWarps * kWarpLanes;
  static constexpr int kWarpMajor = kMajor / kShape.warps_major;
  static constexpr int kWarpMinor = kMinor / kShape.warps_minor;
  static constexpr int kSlabs = kWarpMajor / 16;
  static constexpr int kFragments = kWarpMinor / 8;
  static constexpr int kRegisters = kFragments * 4;
  static constexpr int kStageBytes = kShape.stage_bytes();
  static constexpr int kColumns = kSwapped ? kMajor : kMinor;
  static constexpr int kColumnsAt = kStages * kStageBytes;
  static constexpr int kSharedBytes = kColumnsAt + kColumns * kColumnBytes;
  // The staging areas of the epilogue take the place of the operands.
  static_assert(kWarps * kStagingBytes <= kColumnsAt);
  using Part = WarpPart<kSwapped, 16, kSlabs, kRegisters>;
  static_assert(kMajor * kChunksPerRow % kThreads == 0 && kMinor * kChunksPerRow % kThreads == 0);
};

// Rows of one operand, from the first row of the tile on.
struct OperandRows {
  const std::byte* rows;
  std::ptrdiff_t ld;
  int count;  // that exist
};

// Copies the bytes [depth, depth + 128) of kRows rows, zero where there are none.
template <int kRows, int kThreads>
__device__ __forceinline__ void load_rows(const OperandRows& operand, int depth, int k,
                                          std::uint32_t tile, int thread) {
#pragma unroll
  for (int i = 0; i < kRows * kChunksPerRow; i += kThreads) {
    const int row = (i + thread) / kChunksPerRow;
    const int chunk = (i + thread) % kChunksPerRow;
    const int at = depth + chunk * kChunkBytes;
    const int left = row < operand.count ? k - at : 0;
    const int bytes = left < 0 ? 0 : left > kChunkBytes ? kChunkBytes : left;
    const std::byte* from = bytes > 0 ? operand.rows + row * operand.ld + at : operand.rows;
    copy_async(tile + tile_offset(row, chunk), from, bytes);
  }
}

struct BlockOperands {
  OperandRows major, minor;
};

template <bool kSwapped>
__device__ __forceinline__ BlockOperands block_operands(const Product& p, int m, int major,
                                                        int minor) {
  const int row = kSwapped ? minor : major;
  const int column = kSwapped ? major : minor;
  const OperandRows rows{static_cast<const std::byte*>(p.x.a) + row * p.x.lda, p.x.lda, m - row};
  const OperandRows weights{reinterpret_cast<const std::byte*>(p.w.w) + column * p.w.ld, p.w.ld,
                            p.w.n - column};
  return kSwapped ? BlockOperands{weights, rows} : BlockOperands{rows, weights};
}

// One stage: 128 bytes of depth of the warp's part.
template <class Tile, Signs kSigns>
__device__ __forceinline__ void multiply_stage(int (&acc)[Tile::kSlabs][Tile::kRegisters],
                                               std::uint32_t major_tile, std::uint32_t minor_tile,
                                               int lane) {
  const RowChunk a_source = major_fragment_source(lane);
  const RowChunk b_source = minor_fragment_source(lane);
#pragma unroll
  for (int step = 0; step < kInstructionsPerTile; ++step) {
    std::uint32_t a[Tile::kSlabs][4];
    std::uint32_t b[Tile::kFragments / 2][4];
#pragma unroll
    for (int slab = 0; slab < Tile::kSlabs; ++slab) {
      load_matrices(a[slab], major_tile + tile_offset(slab * 16 + a_source.row,
                                                      step * kInstructionChunks + a_source.chunk));
    }
#pragma unroll
    for (int pair = 0; pair < Tile::kFragments / 2; ++pair) {
      load_matrices(b[pair], minor_tile + tile_offset(pair * 16 + b_source.row,
                                                      step * kInstructionChunks + b_source.chunk));
    }
#pragma unroll
    for (int slab = 0; slab < Tile::kSlabs; ++slab) {
#pragma unroll
      for (int fragment = 0; fragment < Tile::kFragments; ++fragment) {
        multiply<kSigns>(&acc[slab][fragment * 4], a[slab], b[fragment / 2][fragment % 2 * 2],
                         b[fragment / 2][fragment % 2 * 2 + 1]);
      }
    }
  }
}

template <int kKernel, Signs kSigns>
__global__ void __launch_bounds__(MmaTile<kKernel>::kThreads, 1)
    mma_product(const __grid_constant__ Product p) {
  using Tile = MmaTile<kKernel>;
  std::byte* shared = dynamic_shared();
  const int thread = static_cast<int>(threadIdx.x);
  const int lane = thread % kWarpLanes;
  const int warp = thread / kWarpLanes;
  const int tile = static_cast<int>(blockIdx.x) / p.splits;
  const int part = static_cast<int>(blockIdx.x) % p.splits;
  constexpr KernelShape kShape = Tile::kShape;
  wait_for_launches_before();
  allow_next_launch();
  const int m = row_count(p);
  const TileGrid grid = tile_grid(kShape, m, p.w.n);
  if (tile >= grid.count()) {
    return;
  }
  const TileIndex index = tile_of(kShape, tile, grid);
  const int major = index.major * Tile::kMajor;
  const int minor = index.minor * Tile::kMinor;
  const BlockOperands operands = block_operands<Tile::kSwapped>(p, m, major, minor);
  const DepthRange range = depth_part(depth_steps(p.w.k), part, p.splits);
  const auto base = shared_address(shared);

  const auto load_stage = [&](int step) {
    if (step < range.end) {
      const std::uint32_t at = base + (step - range.begin) % Tile::kStages * Tile::kStageBytes;
      load_rows<Tile::kMajor, Tile::kThreads>(operands.major, step * kDepthBytes, p.w.k, at,
                                              thread);
      load_rows<Tile::kMinor, Tile::kThreads>(operands.minor, step * kDepthBytes, p.w.k,
                                              at + Tile::kMajor * kDepthBytes, thread);
    }
    commit_copies();  // an empty group where there is nothing: the waits count groups
  };
  int acc[Tile::kSlabs][Tile::kRegisters] = {};
  const int warp_major = warp / kShape.warps_minor * Tile::kWarpMajor;
  const int warp_minor = warp % kShape.warps_minor * Tile::kWarpMinor;
  for (int i = 0; i < Tile::kStages - 1; ++i) {
    load_stage(range.begin + i);
  }
  // Of this block's columns and this warp's rows, to be there when the sums are.
  ColumnShare<Tile::kColumns, Tile::kThreads> columns;
  columns.load(p, Tile::kSwapped ? major : minor, thread);
  const int row = Tile::kSwapped ? minor + warp_minor : major + warp_major;
  typename Tile::Part::Rows rows;
  load_row_values<typename Tile::Part>(p, m, row, lane, rows);
  for (int step = range.begin; step < range.end; ++step) {
    wait_copies<Tile::kStages - 2>();
    __syncthreads();  // the stage is there for all, and the one before it is read by all
    load_stage(step + Tile::kStages - 1);
    const std::uint32_t at = base + (step - range.begin) % Tile::kStages * Tile::kStageBytes;
    multiply_stage<Tile, kSigns>(acc, at + warp_major * kDepthBytes,
                                 at + (Tile::kMajor + warp_minor) * kDepthBytes, lane);
  }
  auto* const values = reinterpret_cast<ColumnValues*>(shared + Tile::kColumnsAt);
  columns.store(values, thread);
  wait_copies<0>();
  __syncthreads();
  if (add_parts(p, acc, tile, part, warp, Tile::kWarps, lane)) {
    const int first = Tile::kSwapped ? warp_major : warp_minor;  // of the block's columns
    store_part<typename Tile::Part>(p, m, acc, rows, row, (Tile::kSwapped ? major : minor) + first,
                                    values + first, shared + warp * kStagingBytes, lane);
  }
}

template <int kKernel>
Entry<void (*)(Product)> mma_entry(std::integral_constant<int, kKernel>) {
  using Tile = MmaTile<kKernel>;
  constexpr Signs kU8 = operand_signs(Tile::kSwapped, Element::kU8);
  return {{&mma_product<kKernel, kU8>, &mma_product<kKernel, Signs::kS8S8>},
          Tile::kSharedBytes,
          Tile::kThreads,
          1};
}

auto mma_entries() {
  return entries_of<Family::kMma>([](auto kernel) { return mma_entry(kernel); });
}

}  // namespace

int prepare_mma() noexcept { return prepare(mma_entries()); }

int launch_mma(const Launch& launch) noexcept {
  const auto entry = mma_entries()[static_cast<std::size_t>(launch.kernel)];
  const Product& product = launch.product;
  const TileGrid grid = tile_grid(kKernels[launch.kernel], product.x.m, product.w.n);
  const LaunchConfig config(grid.count() * product.splits, entry.threads, entry.shared_bytes,
                            launch.stream);
  return config.launch(entry.function(product), product);
}

}  // namespace qe::kernels::cuda
