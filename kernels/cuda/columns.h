// What the epilogue needs of a tile's columns, brought to shared memory once a tile: every warp
// reads every column, 16 rows at a time. Device code.
#pragma once

#include <cuda_runtime.h>

#include <bit>

#include "kernels/cuda/product.h"

namespace qe::kernels::cuda {

struct ColumnValues {
  float scale, bias, weight_sum;
  int offset;
};
inline constexpr int kColumnBytes = static_cast<int>(sizeof(ColumnValues));

// As one access.
__device__ __forceinline__ ColumnValues load_column(const ColumnValues* columns, int column) {
  return std::bit_cast<ColumnValues>(reinterpret_cast<const float4*>(columns)[column]);
}
__device__ __forceinline__ void store_column(ColumnValues* columns, int column,
                                             const ColumnValues& values) {
  reinterpret_cast<float4*>(columns)[column] = std::bit_cast<float4>(values);
}

// A missing bias is -0, which changes no bit of a sum.
__device__ __forceinline__ ColumnValues column_values(const Product& p, int column) {
  const bool inside = column < p.w.n;
  const GemmOperands& x = p.x;
  return {
      .scale = inside ? __ldg(x.column_scale + column) : 0.0F,
      .bias = inside && x.bias != nullptr ? __ldg(x.bias + column) : -0.0F,
      .weight_sum = inside && x.row_floor != nullptr ? __ldg(x.column_weight_sum + column) : 0.0F,
      .offset = inside && x.column_offset != nullptr ? __ldg(x.column_offset + column) : 0};
}

// The share that one of kThreads threads has of kColumns columns: loaded before the tile is
// multiplied, stored to shared memory when that is under way.
template <int kColumns, int kThreads>
class ColumnShare {
 public:
  __device__ __forceinline__ void load(const Product& p, int first_column, int thread) {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      values_[i] = column_values(p, first_column + i * kThreads + thread);
    }
  }
  __device__ __forceinline__ void store(ColumnValues* columns, int thread) const {
#pragma unroll
    for (int i = 0; i < kEach; ++i) {
      const int column = i * kThreads + thread;
      if (kColumns % kThreads == 0 || column < kColumns) {
        store_column(columns, column, values_[i]);
      }
    }
  }

 private:
  static constexpr int kEach = (kColumns + kThreads - 1) / kThreads;
  ColumnValues values_[kEach];
};

}  // namespace qe::kernels::cuda
