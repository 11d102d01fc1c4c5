// Results that become bytes before they leave the registers, each row with a scale of its own
// (RowBytes). The blocks that share rows tell each other the largest of theirs and wait until all
// have: every block of the launch must have its place on the GPU (row_bytes_plan.h says when they
// cannot wait for ever). Device code; the float operations are those of docs/numerics.md, dynamic
// quantization above a known floor.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>

#include "kernels/cuda/epilogue.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/ptx/fence.h"
#include "kernels/scalar_quantize.h"

namespace qe::kernels::cuda {

inline constexpr float kNoLargest = -std::numeric_limits<float>::infinity();

// Until `warps` warps of as many blocks have come here; what each wrote before, all see after. Of
// gate[0], arrivals, and gate[1], how often all have come, the first is zero again when it is over.
__device__ __forceinline__ void meet_at(unsigned int* gate, int warps, int lane) {
  __syncwarp();
  if (lane == 0) {
    const unsigned int times = load_relaxed(gate + 1);
    const auto last = static_cast<unsigned int>(warps - 1);
    fence_device();
    if (atomicInc(gate, last) == last) {
      fence_device();
      store_relaxed(gate + 1, times + 1);
    } else {
      wait_while(gate + 1, times);
    }
    fence_device();
  }
  __syncwarp();
}

// One warp's part of a tile on its way to bytes.
template <class Part>
class RowBytesPart {
 public:
  using Chunk = ResultChunk<Part::kSwapped, Part::kFragments>;
  static_assert(!Part::kSwapped && Part::kRows == 4, "a quad of lanes has as many rows as lanes");

  // `tile`: of `grid`; `row`: the first of the part; `staging`: of this warp.
  __device__ __forceinline__ RowBytesPart(const Product& p, int m, const TileGrid& grid,
                                          const TileIndex& tile, int tile_rows, int row,
                                          std::byte* staging, int lane)
      : p_(p),
        grid_(grid),
        tile_(tile),
        m_(m),
        places_(grid.majors * tile_rows),
        row_(row),
        staging_(staging),
        lane_(lane) {}

  // acc: sums, which become floats. `columns`: in shared memory, of the tile's first column on,
  // which is `column`.
  __device__ __forceinline__ void store(typename Part::Sums& acc, const typename Part::Rows& rows,
                                        int column, const ColumnValues* columns, int warp,
                                        int warps) const {
    publish(finish(acc, rows, column, columns));
    meet_at(p_.row_bytes.gates + (tile_.major * warps + warp) * 2, grid_.minors, lane_);
    const scalar::DynamicScale own = scalar::floored_scale(largest() - p_.row_bytes.floor);
    if (tile_.minor == 0 && own_row() < m_) {
      p_.row_bytes.scale[own_row()] = own.scale;
    }
    quantize(acc, column, own.inv);
  }

 private:
  // The row of those of this quad whose largest this lane looks after.
  __device__ __forceinline__ int own_row() const { return row_ + Part::row(lane_, lane_ % 4); }

  // Sums to floats, chunk by chunk; the largest of the lane's own row in these columns.
  __device__ __forceinline__ float finish(typename Part::Sums& acc, const typename Part::Rows& rows,
                                          int column, const ColumnValues* columns) const {
    float largest[Part::kRows];
#pragma unroll
    for (float& each : largest) {
      each = kNoLargest;
    }
#pragma unroll 1
    for (int index = 0; index < Part::kChunks; ++index) {
      const int within = index % Part::kSlabChunks * Chunk::kColumns;
      int chunk[Part::kElements];
      RowValues chunk_rows[Part::kChunkRows];
      take_chunk<Part>(acc, rows, index, chunk, chunk_rows);
      float y[Part::kElements];
      scale_chunk<Part>(chunk, chunk_rows, columns + within, lane_, y);
      activate(p_.x.activation, y);
      float chunk_largest[2];
      const int left = p_.w.n - column - within;
      if (left >= Chunk::kColumns) {
        find_largest<true>(y, left, chunk_largest);
      } else {
        find_largest<false>(y, left, chunk_largest);
      }
      visit_chunk<Part>(index, [&](auto at) {
        constexpr int kSlab = at / Part::kSlabChunks;
#pragma unroll
        for (int i = 0; i < Part::kElements; ++i) {
          acc[kSlab][at % Part::kSlabChunks * Part::kElements + i] = std::bit_cast<int>(y[i]);
        }
#pragma unroll
        for (int i = 0; i < 2; ++i) {
          largest[kSlab * 2 + i] = Largest{}(chunk_largest[i], largest[kSlab * 2 + i]);
        }
      });
    }
    return fold_apart<4>(largest, lane_, Largest{});
  }

  // Of both rows of a chunk, in the `left` columns that are there.
  template <bool kWhole>
  __device__ __forceinline__ void find_largest(const float (&y)[Part::kElements], int left,
                                               float (&largest)[2]) const {
    largest[0] = kNoLargest;
    largest[1] = kNoLargest;
#pragma unroll
    for (int i = 0; i < Part::kElements; ++i) {
      const bool there = kWhole || Chunk::column(lane_, i) < left;
      largest[i / 2 % 2] = Largest{}(there ? y[i] : kNoLargest, largest[i / 2 % 2]);
    }
  }

  // Rows of one tile lie together, those that the tiles beside it have of them behind all rows.
  __device__ __forceinline__ float* place(int minor) const {
    return p_.row_bytes.largest + static_cast<std::ptrdiff_t>(minor) * places_ + own_row();
  }
  __device__ __forceinline__ void publish(float largest) const {
    __stcg(place(tile_.minor), largest);
  }
  __device__ __forceinline__ float largest() const {
    float largest = kNoLargest;
#pragma unroll 8
    for (int minor = 0; minor < grid_.minors; ++minor) {
      largest = Largest{}(__ldcg(place(minor)), largest);
    }
    return largest;
  }

  __device__ __forceinline__ void quantize(const typename Part::Sums& acc, int column,
                                           float own_inv) const {
    float inv[Part::kRows];
#pragma unroll
    for (int i = 0; i < Part::kRows; ++i) {
      inv[i] = __shfl_sync(0xFFFFFFFFU, own_inv, i, 4);
    }
#pragma unroll 1
    for (int index = 0; index < Part::kChunks; ++index) {
      int chunk[Part::kElements];
      float chunk_inv[Part::kChunkRows];
      take_chunk<Part>(acc, inv, index, chunk, chunk_inv);
      std::uint8_t q[Part::kElements];
#pragma unroll
      for (int i = 0; i < Part::kElements; ++i) {
        q[i] = scalar::quantize_floored(std::bit_cast<float>(chunk[i]), p_.row_bytes.floor,
                                        chunk_inv[i / 2 % 2]);
      }
      stage<Chunk, Element::kU8>(q, staging_, lane_);
      __syncwarp();
      const ChunkPlace to{m_, row_ + index / Part::kSlabChunks * Part::kSlabStride,
                          column + index % Part::kSlabChunks * Chunk::kColumns, lane_};
      move_chunk<Chunk, 1, true>(to, p_.w.n, reinterpret_cast<std::byte*>(p_.row_bytes.q),
                                 p_.row_bytes.ldq, staging_);
      __syncwarp();
    }
  }

  const Product& p_;
  TileGrid grid_;
  TileIndex tile_;
  int m_, places_, row_;
  std::byte* staging_;
  int lane_;
};

}  // namespace qe::kernels::cuda
