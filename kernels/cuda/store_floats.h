// Results of floats from registers to memory: four lanes have 32 bytes of a row, where the weights
// lie along the rows of the fragments eight lanes. Device code.
#pragma once

#include <cstddef>

#include "kernels/cuda/product.h"

namespace qe::kernels::cuda {

// A chunk in the result, which has m rows.
struct ChunkPlace {
  int m, row, column, lane;
};

// move(i, at, count) for this lane's elements i to i + count - 1, which lie together from `at` on
// in rows `ld` elements apart; nothing outside the result.
template <class Chunk, bool kWhole, class Move>
__device__ __forceinline__ void visit_floats(const ChunkPlace& place, int n, std::ptrdiff_t ld,
                                             Move move) {
  constexpr int kStep = Chunk::kStep;
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

}  // namespace qe::kernels::cuda
