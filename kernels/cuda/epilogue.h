// From sums in registers to results in memory, for both kinds of kernel: their accumulators have
// the same layout. Device code; every float operation is one of docs/numerics.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/activate.h"
#include "kernels/cuda/columns.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/ptx/shared.h"
#include "kernels/cuda/store.h"
#include "kernels/cuda/store_heads.h"
#include "kernels/cuda/tile_maps.h"

namespace qe::kernels::cuda {

// Rows of this run. Read before the wait for earlier launches, too, so not from a first-level
// cache, which nothing has cleared then of what the run before left there.
__device__ __forceinline__ int row_count(const Product& p) {
  const int rows = p.rows != nullptr ? __ldcg(p.rows) : p.x.m;
  return rows < p.x.m ? rows : p.x.m;
}

struct RowValues {
  float scale, floor;
};

// A missing scale is 1, a missing floor -0 (beside a weight sum of 0): neither changes a bit.
__device__ __forceinline__ RowValues row_values(const Product& p, int m, int row) {
  const bool inside = row < m;
  return {.scale = inside && p.x.row_scale != nullptr ? p.x.row_scale[row] : 1.0F,
          .floor = inside && p.x.row_floor != nullptr ? p.x.row_floor[row] : -0.0F};
}

// A warp's part of a tile: kSlabs slabs of 16 rows of fragments, kSlabStride rows apart, with
// kRegisters accumulators each. It is finished in chunks of a few fragments. Swapped kernels have
// the weights along the rows of the fragments, and one chunk.
template <bool kSwappedPart, int kSlabDistance, int kSlabCount, int kSlabRegisters>
struct WarpPart {
  static constexpr bool kSwapped = kSwappedPart;
  static constexpr int kSlabStride = kSlabDistance;
  static constexpr int kSlabs = kSlabCount;
  static constexpr int kRegisters = kSlabRegisters;
  static constexpr int kFragments =
      kRegisters / 4 < kChunkFragments ? kRegisters / 4 : kChunkFragments;
  static constexpr int kElements = kFragments * 4;
  static constexpr int kSlabChunks = kRegisters / kElements;
  static constexpr int kChunks = kSlabs * kSlabChunks;
  static_assert(!kSwapped || kChunks == 1);
  static constexpr bool kHeadPairs = !kSwapped && kSlabChunks >= 4;  // holds_heads()

  // The rows of the result that a lane has elements of, and how many of them a chunk has.
  static constexpr int kRows = kSwapped ? kRegisters / 2 : kSlabs * 2;
  static constexpr int kChunkRows = kSwapped ? kRows : 2;
  static constexpr int row(int lane, int i) {
    return kSwapped ? accumulator_column(lane, i / 2 * 4 + i % 2)
                    : i / 2 * kSlabStride + accumulator_row(lane, i % 2 * 2);
  }

  using Sums = int[kSlabs][kRegisters];
  using Rows = RowValues[kRows];
};

// Values of a lane's rows; `first_row` is that of the part in the product.
template <class Part>
__device__ __forceinline__ void load_row_values(const Product& p, int m, int first_row, int lane,
                                                typename Part::Rows& rows) {
#pragma unroll
  for (int i = 0; i < Part::kRows; ++i) {
    rows[i] = row_values(p, m, first_row + Part::row(lane, i));
  }
}

__device__ __forceinline__ float scaled_sum(int acc, const RowValues& row,
                                            const ColumnValues& column) {
  return std::fma(static_cast<float>(acc + column.offset), row.scale * column.scale,
                  std::fma(row.floor, column.weight_sum, column.bias));
}

// visit(std::integral_constant<int, index>) for an index that is known when the kernel runs. A jump
// to moves: chosen one by one, each accumulator would cost as many instructions as there are
// chunks.
template <class Part, int kIndex, class Visit>
__device__ __forceinline__ void visit_if_there(Visit& visit) {
  if constexpr (kIndex < Part::kChunks) {
    keep_branch();
    visit(std::integral_constant<int, kIndex>{});
  }
}
template <class Part, class Visit>
__device__ __forceinline__ void visit_chunk(int index, Visit visit) {
  static_assert(Part::kChunks <= 8);
  switch (index) {
    case 0:
      return visit_if_there<Part, 0>(visit);
    case 1:
      return visit_if_there<Part, 1>(visit);
    case 2:
      return visit_if_there<Part, 2>(visit);
    case 3:
      return visit_if_there<Part, 3>(visit);
    case 4:
      return visit_if_there<Part, 4>(visit);
    case 5:
      return visit_if_there<Part, 5>(visit);
    case 6:
      return visit_if_there<Part, 6>(visit);
    default:
      return visit_if_there<Part, 7>(visit);
  }
}

// A chunk of the accumulators and what belongs to its rows.
template <class Part, class Row>
__device__ __forceinline__ void take_chunk(const typename Part::Sums& acc,
                                           const Row (&rows)[Part::kRows], int index,
                                           int (&chunk)[Part::kElements],
                                           Row (&chunk_rows)[Part::kChunkRows]) {
  visit_chunk<Part>(index, [&](auto at) {
    constexpr int kSlab = at / Part::kSlabChunks;
#pragma unroll
    for (int i = 0; i < Part::kElements; ++i) {
      chunk[i] = acc[kSlab][at % Part::kSlabChunks * Part::kElements + i];
    }
#pragma unroll
    for (int i = 0; i < Part::kChunkRows; ++i) {
      chunk_rows[i] = rows[kSlab * 2 + i];
    }
  });
}

// What the product is before its activation, for one chunk. `columns`: in shared memory, of the
// first column of the chunk.
template <class Part>
__device__ __forceinline__ void scale_chunk(const int (&acc)[Part::kElements],
                                            const RowValues (&rows)[Part::kChunkRows],
                                            const ColumnValues* columns, int lane,
                                            float (&y)[Part::kElements]) {
  using Chunk = ResultChunk<Part::kSwapped, Part::kFragments>;
#pragma unroll
  for (int i = 0; i < Part::kElements; ++i) {
    const int minor = i / 4 * 2 + i % 2;
    const int major = i / 2 % 2;
    y[i] = scaled_sum(acc[i], rows[Part::kSwapped ? minor : major],
                      load_column(columns, Chunk::column(lane, i)));
  }
}

// The chunks of a warp's part that are heads to become bytes, or all others. The loop is rolled, so
// that its long code exists once.
template <class Part, bool kHeads>
__device__ __forceinline__ void store_chunks(const Product& p, int m,
                                             const typename Part::Sums& acc,
                                             const typename Part::Rows& rows, int row, int column,
                                             const ColumnValues* columns, std::byte* staging,
                                             int lane) {
  using Chunk = ResultChunk<Part::kSwapped, Part::kFragments>;
  float held[Part::kElements] = {};  // half a head
#pragma unroll 1
  for (int index = 0; index < Part::kChunks; ++index) {
    const int within = index % Part::kSlabChunks * Chunk::kColumns;
    const ChunkPlace place{m, row + index / Part::kSlabChunks * Part::kSlabStride, column + within,
                           lane};
    if (!Part::kSwapped && (place.column < p.heads.columns) != kHeads) {
      continue;
    }
    float residual[Part::kElements];
    if constexpr (!kHeads) {
      load_residual<Chunk>(p, place, residual);
    }
    int chunk[Part::kElements];
    RowValues chunk_rows[Part::kChunkRows];
    take_chunk<Part>(acc, rows, index, chunk, chunk_rows);
    float y[Part::kElements];
    scale_chunk<Part>(chunk, chunk_rows, columns + within, lane, y);
    if constexpr (kHeads) {
      store_heads<Chunk, Part::kHeadPairs>(p, place, y, held, staging);
    } else {
      activate(p.x.activation, y);
      store_chunk<Chunk>(p, place, y, residual, staging);
    }
  }
}

// The whole epilogue of a warp's part, whose first element is (row, column) of the result of m
// rows. Heads have a loop of their own: what waits in registers there would be moved about in the
// other. `columns`: in shared memory, of the part's first column on; `staging`: of this warp alone.
template <class Part>
__device__ __forceinline__ void store_part(const Product& p, int m, const typename Part::Sums& acc,
                                           const typename Part::Rows& rows, int row, int column,
                                           const ColumnValues* columns, std::byte* staging,
                                           int lane) {
  if constexpr (!Part::kSwapped) {
    if (column < p.heads.columns) {
      store_chunks<Part, true>(p, m, acc, rows, row, column, columns, staging, lane);
    }
  }
  store_chunks<Part, false>(p, m, acc, rows, row, column, columns, staging, lane);
}

}  // namespace qe::kernels::cuda
