// The way of finished values to memory: residual in, conversion to the type of the result, rows
// out. Bytes and halves pass through a staging area of each warp in shared memory, so that memory
// sees whole pieces of 16 bytes; floats go as store_floats.h says. Device code; every float
// operation is one of docs/numerics.md.
#pragma once

#include <cuda_fp16.h>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/activate.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/store_floats.h"
#include "kernels/cuda/tile_maps.h"
#include "kernels/cuda/to_float.h"
#include "kernels/scalar_math.h"

namespace qe::kernels::cuda {

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

// Neighbours in a row, moved as one Word.
template <class T, int kCount>
struct Neighbours {
  T values[kCount];
};

// Elements of the result, and as many neighbours as a lane has side by side.
template <class T, int kStep>
struct StoredAs {
  using Type = T;
  using Group = Neighbours<T, kStep>;
  static constexpr int kBytes = kStep * static_cast<int>(sizeof(T));
  using Word = std::conditional_t<kBytes == 4, std::uint32_t,
                                  std::conditional_t<kBytes == 2, std::uint16_t, std::uint8_t>>;
};
template <Element kOut, int kStep>
struct Stored;
template <int kStep>
struct Stored<Element::kF16, kStep> : StoredAs<__half, kStep> {
  static __device__ __forceinline__ __half rounded(float y) { return __float2half_rn(y); }
};
template <int kStep>
struct Stored<Element::kU8, kStep> : StoredAs<std::uint8_t, kStep> {
  static __device__ __forceinline__ std::uint8_t rounded(float t) { return scalar::round_to_u8(t); }
};
template <int kStep>
struct Stored<Element::kS8, kStep> : StoredAs<std::int8_t, kStep> {
  static __device__ __forceinline__ std::int8_t rounded(float t) {
    return static_cast<std::int8_t>(scalar::round_to_s8(t));
  }
};

// visit(i, place) for this lane's groups of neighbours: the first of their elements, and where they
// are in the staging area.
template <class Chunk, Element kOut, class Word, class Visit>
__device__ __forceinline__ void visit_staged(std::byte* staging, int lane, Visit visit) {
#pragma unroll
  for (int i = 0; i < Chunk::kElements; i += Chunk::kStep) {
    visit(i, *reinterpret_cast<Word*>(staging + Chunk::staging_offset(Chunk::row(lane, i),
                                                                      Chunk::column(lane, i),
                                                                      element_bytes(kOut))));
  }
}

// This lane's elements to their places in the staging area.
template <class Chunk, Element kOut>
__device__ __forceinline__ void stage(
    const typename Stored<kOut, Chunk::kStep>::Type (&values)[Chunk::kElements], std::byte* staging,
    int lane) {
  using Types = Stored<kOut, Chunk::kStep>;
  visit_staged<Chunk, kOut, typename Types::Word>(
      staging, lane, [&](int i, typename Types::Word& place) {
        typename Types::Group group;
#pragma unroll
        for (int j = 0; j < Chunk::kStep; ++j) {
          group.values[j] = values[i + j];
        }
        place = std::bit_cast<typename Types::Word>(group);
      });
}

// What is rounded to an element of the result: all of a chunk at a time, because each condition is
// one for all of them.
template <class Chunk, Element kOut>
__device__ __forceinline__ void before_rounding(const Product& p, float (&y)[Chunk::kElements],
                                                std::byte* staging, int lane) {
  using Types = Stored<kOut, Chunk::kStep>;
  const GemmOperands& x = p.x;
  constexpr bool kBytes = kOut != Element::kF16;
  if (kBytes && x.activation != Activation::kNone) {
    apply(y, [&](float v) { return std::fma(v, x.out_inv_scale, x.out_zero_point); });
  } else if (x.residual != nullptr) {
    visit_staged<Chunk, kOut, typename Types::Word>(
        staging, lane, [&](int i, typename Types::Word& place) {
          const auto group = std::bit_cast<typename Types::Group>(place);
#pragma unroll
          for (int j = 0; j < Chunk::kStep; ++j) {
            const float residual = to_float(group.values[j]);
            y[i + j] =
                kBytes ? std::fma(residual, x.residual_scale, y[i + j]) : y[i + j] + residual;
          }
        });
  }
}

// This lane's elements as results in the staging area, which has the residual until then.
template <class Chunk, Element kOut>
__device__ __forceinline__ void round_to_staging(const Product& p, float (&y)[Chunk::kElements],
                                                 std::byte* staging, int lane) {
  using Types = Stored<kOut, Chunk::kStep>;
  before_rounding<Chunk, kOut>(p, y, staging, lane);
  typename Types::Type values[Chunk::kElements];
#pragma unroll
  for (int i = 0; i < Chunk::kElements; ++i) {
    values[i] = Types::rounded(y[i]);
  }
  if constexpr (kOut != Element::kF16) {
    if (p.x.table != nullptr) {
#pragma unroll
      for (auto& value : values) {
        value =
            static_cast<typename Types::Type>(__ldg(p.x.table + static_cast<std::uint8_t>(value)));
      }
    }
  }
  stage<Chunk, kOut>(values, staging, lane);
}

template <class Chunk, Element kOut>
__device__ __forceinline__ void store_staged(const Product& p, const ChunkPlace& place,
                                             float (&y)[Chunk::kElements], std::byte* staging) {
  constexpr int kBytes = element_bytes(kOut);
  if (p.x.residual != nullptr) {
    // Only ever read here; it may be the memory of the result itself.
    auto* residual = const_cast<std::byte*>(static_cast<const std::byte*>(p.x.residual));
    move_chunk<Chunk, kBytes, false>(place, p.w.n, residual, p.x.ld_residual, staging);
    __syncwarp();
  }
  round_to_staging<Chunk, kOut>(p, y, staging, place.lane);
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
