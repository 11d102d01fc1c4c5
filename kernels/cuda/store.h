// The way of finished values to memory: residual in, conversion to the type of the result, rows
// out. Floats go from registers: four lanes have 32 bytes of a row, eight (kSwapped) as well.
// Shorter types pass through a staging area of each warp in shared memory, so that memory sees
// whole pieces of 16 bytes. Device code; every float operation is one of docs/numerics.md.
#pragma once

#include <cuda_fp16.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/product.h"
#include "kernels/cuda/tile_maps.h"
#include "kernels/cuda/to_float.h"
#include "kernels/scalar_math.h"

namespace qe::kernels::cuda {

// A chunk in the result, which has m rows.
struct ChunkPlace {
  int m, row, column, lane;
};

// ---- Floats ----

// move(i, at, count) for this lane's elements i to i + count - 1, which lie together from `at` on
// in rows `ld` elements apart; nothing outside the result.
template <class Chunk, bool kWhole, class Move>
__device__ __forceinline__ void visit_floats(const ChunkPlace& place, int n, std::ptrdiff_t ld,
                                             Move move) {
  constexpr int kStep = Chunk::kPairs ? 2 : 1;
#pragma unroll
  for (int i = 0; i < Chunk::kElements; i += kStep) {
    const int row = place.row + Chunk::row(place.lane, i);
    const int column = place.column + Chunk::column(place.lane, i);
    const int left = kWhole ? kStep : n - column;
    if (row < place.m && left > 0) {
      move(i, row * ld + column, left < kStep ? left : kStep);
    }
  }
}

template <class Chunk, class Move>
__device__ __forceinline__ void visit_floats(const ChunkPlace& place, int n, std::ptrdiff_t ld,
                                             Move move) {
  if (place.column + Chunk::kColumns <= n) {
    visit_floats<Chunk, true>(place, n, ld, move);
  } else {
    visit_floats<Chunk, false>(place, n, ld, move);
  }
}

// The residual of a result of floats, asked for before the chunk is computed: its way is long. It
// may be the memory of the result, for a lane reads what it writes and nothing else.
template <class Chunk>
__device__ __forceinline__ void load_residual(const Product& p, const ChunkPlace& place,
                                              float (&residual)[Chunk::kElements]) {
  if (p.x.residual == nullptr || p.x.out_type != Element::kF32) {
    return;
  }
  const auto* from = static_cast<const float*>(p.x.residual);
  visit_floats<Chunk>(place, p.w.n, p.x.ld_residual, [&](int i, std::ptrdiff_t at, int count) {
    if (count == 2) {
      const float2 pair = *reinterpret_cast<const float2*>(from + at);
      residual[i] = pair.x;
      residual[i + 1] = pair.y;
    } else {
      residual[i] = from[at];
    }
  });
}

template <class Chunk>
__device__ __forceinline__ void store_floats(const Product& p, const ChunkPlace& place,
                                             float (&y)[Chunk::kElements],
                                             const float (&residual)[Chunk::kElements]) {
  if (p.x.residual != nullptr) {
#pragma unroll
    for (int i = 0; i < Chunk::kElements; ++i) {
      y[i] += residual[i];
    }
  }
  auto* to = static_cast<float*>(p.x.out);
  visit_floats<Chunk>(place, p.w.n, p.x.ld_out, [&](int i, std::ptrdiff_t at, int count) {
    if (count == 2) {
      *reinterpret_cast<float2*>(to + at) = make_float2(y[i], y[i + 1]);
    } else {
      to[at] = y[i];
    }
  });
}

// ---- Bytes and halves ----

// Between the rows of memory and the staging area of a chunk, 16 bytes at a time; at the right edge
// of the matrix element by element.
template <class Chunk, int kBytes, bool kStore>
__device__ __forceinline__ void move_chunk(const ChunkPlace& place, int n, std::byte* matrix,
                                           std::ptrdiff_t ld, std::byte* staging) {
#pragma unroll
  for (int first = 0; first < Chunk::pieces(kBytes); first += kWarpLanes) {
    const int piece = first + place.lane;
    const int row = Chunk::piece_row(piece, kBytes);
    const int column = Chunk::piece_column(piece, kBytes);
    const int left = n - (place.column + column);
    if (piece >= Chunk::pieces(kBytes) || place.row + row >= place.m || left <= 0) {
      continue;
    }
    std::byte* inside = staging + Chunk::staging_offset(row, column, kBytes);
    std::byte* outside = matrix + ((place.row + row) * ld + place.column + column) * kBytes;
    std::byte* to = kStore ? outside : inside;
    const std::byte* from = kStore ? inside : outside;
    if (left * kBytes >= kChunkBytes) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
    } else {
#pragma unroll 1
      for (int i = 0; i < left * kBytes; ++i) {
        to[i] = from[i];
      }
    }
  }
}

template <Element kOut>
struct Stored;
template <>
struct Stored<Element::kF16> {
  using Type = __half;
  using Bits = std::uint16_t;
  using Pair = std::uint32_t;
};
template <>
struct Stored<Element::kU8> {
  using Type = std::uint8_t;
  using Bits = std::uint8_t;
  using Pair = std::uint16_t;
};
template <>
struct Stored<Element::kS8> {
  using Type = std::int8_t;
  using Bits = std::uint8_t;
  using Pair = std::uint16_t;
};

// The last step of one element.
template <Element kOut>
__device__ __forceinline__ auto converted(const Product& p, float y,
                                          typename Stored<kOut>::Type residual) {
  const GemmOperands& x = p.x;
  if constexpr (kOut == Element::kF16) {
    return __float2half_rn(x.residual != nullptr ? y + to_float(residual) : y);
  } else {
    float t = y;
    if (x.activation != Activation::kNone) {
      t = std::fma(y, x.out_inv_scale, x.out_zero_point);
    } else if (x.residual != nullptr) {
      t = std::fma(to_float(residual), x.residual_scale, y);
    }
    const std::uint8_t q = kOut == Element::kU8 ? scalar::round_to_u8(t) : scalar::round_to_s8(t);
    return static_cast<typename Stored<kOut>::Type>(x.table != nullptr ? __ldg(x.table + q) : q);
  }
}

// Neighbours in a row, moved as one Word.
template <class T, int kCount>
struct Neighbours {
  T values[kCount];
};

// This lane's elements, in their places of the staging area: the residual before, the result after.
template <class Chunk, Element kOut>
__device__ __forceinline__ void convert_staged(const Product& p, const float (&y)[Chunk::kElements],
                                               std::byte* staging, int lane) {
  using Type = typename Stored<kOut>::Type;
  using Pair = typename Stored<kOut>::Pair;
  constexpr int kStep = Chunk::kPairs ? 2 : 1;
  using Word = std::conditional_t<Chunk::kPairs, Pair, typename Stored<kOut>::Bits>;
  using Group = Neighbours<Type, kStep>;
#pragma unroll
  for (int i = 0; i < Chunk::kElements; i += kStep) {
    auto* place = reinterpret_cast<Word*>(staging + Chunk::staging_offset(Chunk::row(lane, i),
                                                                          Chunk::column(lane, i),
                                                                          element_bytes(kOut)));
    Group group{};
    if (p.x.residual != nullptr) {
      group = std::bit_cast<Group>(*place);
    }
#pragma unroll
    for (int j = 0; j < kStep; ++j) {
      group.values[j] = converted<kOut>(p, y[i + j], group.values[j]);
    }
    *place = std::bit_cast<Word>(group);
  }
}

template <class Chunk, Element kOut>
__device__ __forceinline__ void store_staged(const Product& p, const ChunkPlace& place,
                                             const float (&y)[Chunk::kElements],
                                             std::byte* staging) {
  constexpr int kBytes = element_bytes(kOut);
  if (p.x.residual != nullptr) {
    // Only ever read here; it may be the memory of the result itself.
    auto* residual = const_cast<std::byte*>(static_cast<const std::byte*>(p.x.residual));
    move_chunk<Chunk, kBytes, false>(place, p.w.n, residual, p.x.ld_residual, staging);
    __syncwarp();
  }
  convert_staged<Chunk, kOut>(p, y, staging, place.lane);
  __syncwarp();
  move_chunk<Chunk, kBytes, true>(place, p.w.n, static_cast<std::byte*>(p.x.out), p.x.ld_out,
                                  staging);
  __syncwarp();
}

template <class Chunk>
__device__ __forceinline__ void store_chunk(const Product& p, const ChunkPlace& place,
                                            float (&y)[Chunk::kElements],
                                            const float (&residual)[Chunk::kElements],
                                            std::byte* staging) {
  switch (p.x.out_type) {
    case Element::kU8:
      return store_staged<Chunk, Element::kU8>(p, place, y, staging);
    case Element::kS8:
      return store_staged<Chunk, Element::kS8>(p, place, y, staging);
    case Element::kF16:
      return store_staged<Chunk, Element::kF16>(p, place, y, staging);
    case Element::kF32:
      return store_floats<Chunk>(p, place, y, residual);
  }
}

}  // namespace qe::kernels::cuda
