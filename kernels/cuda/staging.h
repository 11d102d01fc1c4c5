// The way of finished values to memory: residual in, conversion to the type of the result, rows
// out, through a staging area of each warp in shared memory, so that memory sees whole pieces of 16
// bytes. Device code; every float operation is one of docs/numerics.md.
#pragma once

#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/product.h"
#include "kernels/cuda/tile_maps.h"
#include "kernels/cuda/to_float.h"
#include "kernels/scalar_math.h"

namespace qe::kernels::cuda {

// Bytes between the rows of memory and the staging area of a chunk, 16 at a time; at the right edge
// of the matrix element by element.
template <class Chunk, int kBytes, bool kStore>
__device__ __forceinline__ void move_chunk(const Product& p, int m, std::byte* matrix,
                                           std::ptrdiff_t ld, int row0, int column0,
                                           std::byte* staging, int lane) {
#pragma unroll
  for (int first = 0; first < Chunk::pieces(kBytes); first += kWarpLanes) {
    const int piece = first + lane;
    const int row = Chunk::piece_row(piece, kBytes);
    const int column = Chunk::piece_column(piece, kBytes);
    const int left = p.w.n - (column0 + column);
    if (piece >= Chunk::pieces(kBytes) || row0 + row >= m || left <= 0) {
      continue;
    }
    std::byte* inside = staging + Chunk::staging_offset(row, column, kBytes);
    std::byte* outside = matrix + ((row0 + row) * ld + column0 + column) * kBytes;
    std::byte* to = kStore ? outside : inside;
    const std::byte* from = kStore ? inside : outside;
    if (left * kBytes >= kChunkBytes) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
    } else {
      for (int i = 0; i < left * kBytes; ++i) {
        to[i] = from[i];
      }
    }
  }
}

template <Element kOut>
struct Stored;
template <>
struct Stored<Element::kF32> {
  using Type = float;
};
template <>
struct Stored<Element::kF16> {
  using Type = __half;
};
template <>
struct Stored<Element::kU8> {
  using Type = std::uint8_t;
};
template <>
struct Stored<Element::kS8> {
  using Type = std::int8_t;
};

// The last step of one element; `place` holds the residual before and the result after it.
template <Element kOut>
__device__ __forceinline__ void finish(const Product& p, float y, std::byte* place) {
  using Type = typename Stored<kOut>::Type;
  auto* stored = reinterpret_cast<Type*>(place);
  const GemmOperands& x = p.x;
  if constexpr (kOut == Element::kF32 || kOut == Element::kF16) {
    const float sum = x.residual != nullptr ? y + to_float(*stored) : y;
    if constexpr (kOut == Element::kF32) {
      *stored = sum;
    } else {
      *stored = __float2half_rn(sum);
    }
  } else {
    float t = y;
    if (x.activation != Activation::kNone) {
      t = std::fma(y, x.out_inv_scale, x.out_zero_point);
    } else if (x.residual != nullptr) {
      t = std::fma(to_float(*stored), x.residual_scale, y);
    }
    std::uint8_t q = kOut == Element::kU8 ? scalar::round_to_u8(t) : scalar::round_to_s8(t);
    if (x.table != nullptr) {
      q = __ldg(x.table + q);
    }
    *stored = static_cast<Type>(q);
  }
}

template <class Chunk, Element kOut>
__device__ __forceinline__ void store_values(const Product& p, int m,
                                             const float (&y)[Chunk::kElements], int row0,
                                             int column0, std::byte* staging, int lane) {
  constexpr int kBytes = element_bytes(kOut);
  if (p.x.residual != nullptr) {
    // Only ever read here; it may be the memory of the result itself.
    auto* residual = const_cast<std::byte*>(static_cast<const std::byte*>(p.x.residual));
    move_chunk<Chunk, kBytes, false>(p, m, residual, p.x.ld_residual, row0, column0, staging, lane);
    __syncwarp();
  }
#pragma unroll
  for (int i = 0; i < Chunk::kElements; ++i) {
    finish<kOut>(
        p, y[i],
        staging + Chunk::staging_offset(Chunk::row(lane, i), Chunk::column(lane, i), kBytes));
  }
  __syncwarp();
  move_chunk<Chunk, kBytes, true>(p, m, static_cast<std::byte*>(p.x.out), p.x.ld_out, row0, column0,
                                  staging, lane);
  __syncwarp();
}

}  // namespace qe::kernels::cuda
