// From sums in registers to results in memory, for both kinds of kernel: their accumulators have
// the same layout. Device code; every float operation is one of docs/numerics.md.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/activate.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/staging.h"
#include "kernels/cuda/tile_maps.h"

namespace qe::kernels::cuda {

// Values of two neighbouring columns, `missing` beyond `limit` or where there is no array. Arrays
// are 8-byte aligned and `at` is even.
template <class T, class Pair>
__device__ __forceinline__ void load_pair(const T* array, int at, int limit, T missing, T& first,
                                          T& second) {
  first = missing;
  second = missing;
  if (array != nullptr && at < limit) {
    const Pair pair = __ldg(reinterpret_cast<const Pair*>(array + at));
    first = pair.x;
    second = pair.y;
  }
}

// Rows of this run.
__device__ __forceinline__ int row_count(const Product& p) {
  const int rows = p.rows != nullptr ? *p.rows : p.x.m;
  return rows < p.x.m ? rows : p.x.m;
}

struct ColumnValues {
  float scale, bias, weight_sum;
  int offset;
};
struct RowValues {
  float scale, floor;
};

__device__ __forceinline__ ColumnValues column_values(const Product& p, int column) {
  const bool inside = column < p.w.n;
  const GemmOperands& x = p.x;
  return {
      .scale = inside ? __ldg(x.column_scale + column) : 0.0F,
      .bias = inside && x.bias != nullptr ? __ldg(x.bias + column) : -0.0F,
      .weight_sum = inside && x.row_floor != nullptr ? __ldg(x.column_weight_sum + column) : 0.0F,
      .offset = inside && x.column_offset != nullptr ? __ldg(x.column_offset + column) : 0};
}

__device__ __forceinline__ void column_pair(const Product& p, int column, ColumnValues& a,
                                            ColumnValues& b) {
  const GemmOperands& x = p.x;
  load_pair<float, float2>(x.column_scale, column, p.w.n, 0.0F, a.scale, b.scale);
  load_pair<float, float2>(x.bias, column, p.w.n, -0.0F, a.bias, b.bias);
  load_pair<float, float2>(x.column_weight_sum, column, p.w.n, 0.0F, a.weight_sum, b.weight_sum);
  load_pair<int, int2>(x.column_offset, column, p.w.n, 0, a.offset, b.offset);
}

__device__ __forceinline__ RowValues row_values(const Product& p, int m, int row) {
  const bool inside = row < m;
  // A missing scale is 1: the product with it changes nothing.
  return {.scale = inside && p.x.row_scale != nullptr ? p.x.row_scale[row] : 1.0F,
          .floor = inside && p.x.row_floor != nullptr ? p.x.row_floor[row] : 0.0F};
}

__device__ __forceinline__ float scaled_sum(const Product& p, int acc, const RowValues& row,
                                            const ColumnValues& column) {
  const float addend =
      p.x.row_floor != nullptr ? std::fma(row.floor, column.weight_sum, column.bias) : column.bias;
  return std::fma(static_cast<float>(acc + column.offset), row.scale * column.scale, addend);
}

// The whole epilogue of one chunk of a warp, whose first element is (row0, column0) of the result
// of m rows.
template <bool kSwapped, int kFragments>
__device__ __forceinline__ void store_chunk(const Product& p, int m,
                                            const int (&acc)[kFragments * 4], int row0, int column0,
                                            std::byte* staging, int lane) {
  using Chunk = ResultChunk<kSwapped, kFragments>;
  constexpr int kMinors = kFragments * 2;  // of a lane, along the fragments; and 2 across them
  ColumnValues columns[kSwapped ? 2 : kMinors];
  RowValues rows[kSwapped ? kMinors : 2];
#pragma unroll
  for (int i = 0; i < kMinors; i += 2) {
    const int minor = accumulator_column(lane, i * 2);
    if constexpr (kSwapped) {
      rows[i] = row_values(p, m, row0 + minor);
      rows[i + 1] = row_values(p, m, row0 + minor + 1);
    } else {
      column_pair(p, column0 + minor, columns[i], columns[i + 1]);
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    const int major = accumulator_row(lane, i * 2);
    if constexpr (kSwapped) {
      columns[i] = column_values(p, column0 + major);
    } else {
      rows[i] = row_values(p, m, row0 + major);
    }
  }
  float y[Chunk::kElements];
#pragma unroll
  for (int i = 0; i < Chunk::kElements; ++i) {
    const int minor = i / 4 * 2 + i % 2;
    const int major = i / 2 % 2;
    y[i] = scaled_sum(p, acc[i], rows[kSwapped ? minor : major], columns[kSwapped ? major : minor]);
  }
  activate(p.x.activation, y);
  switch (p.x.out_type) {
    case Element::kU8:
      return store_values<Chunk, Element::kU8>(p, m, y, row0, column0, staging, lane);
    case Element::kS8:
      return store_values<Chunk, Element::kS8>(p, m, y, row0, column0, staging, lane);
    case Element::kF16:
      return store_values<Chunk, Element::kF16>(p, m, y, row0, column0, staging, lane);
    case Element::kF32:
      return store_values<Chunk, Element::kF32>(p, m, y, row0, column0, staging, lane);
  }
}

// A warp's part of a tile: kSlabs slabs of 16 rows of fragments, kSlabStride rows apart, with
// kRegisters accumulators each. `major` and `minor` are the first row and column of the fragments
// in the product. The loop is rolled and copies its accumulators out, so that the long code of the
// epilogue exists once.
template <bool kSwapped, int kSlabStride, int kSlabs, int kRegisters>
__device__ __forceinline__ void store_tile(const Product& p, int m,
                                           const int (&acc)[kSlabs][kRegisters], int major,
                                           int minor, std::byte* staging, int lane) {
  constexpr int kFragments = kRegisters / 4 < kChunkFragments ? kRegisters / 4 : kChunkFragments;
  constexpr int kElements = kFragments * 4;
  constexpr int kChunks = kRegisters / kElements;
#pragma unroll 1
  for (int index = 0; index < kSlabs * kChunks; ++index) {
    int chunk[kElements];
#pragma unroll
    for (int candidate = 0; candidate < kSlabs * kChunks; ++candidate) {
      if (index == candidate) {
#pragma unroll
        for (int i = 0; i < kElements; ++i) {
          chunk[i] = acc[candidate / kChunks][candidate % kChunks * kElements + i];
        }
      }
    }
    const int chunk_major = major + index / kChunks * kSlabStride;
    const int chunk_minor = minor + index % kChunks * kFragments * 8;
    const int row = kSwapped ? chunk_minor : chunk_major;
    const int column = kSwapped ? chunk_major : chunk_minor;
    store_chunk<kSwapped, kFragments>(p, m, chunk, row, column, staging, lane);
  }
}

}  // namespace qe::kernels::cuda
