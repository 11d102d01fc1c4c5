// Queries and keys from registers to memory as attention multiplies them: signed bytes with one
// symmetric scale a row and head (docs/numerics.md, Attention), which four lanes find among
// themselves. Device code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/fold.h"
#include "kernels/cuda/fours.h"
#include "kernels/cuda/product.h"
#include "kernels/cuda/signed_bytes.h"
#include "kernels/cuda/store.h"

namespace qe::kernels::cuda {

// The largest magnitudes of this lane's two rows of a chunk, and of `largest`.
template <int kElements>
__device__ __forceinline__ void add_magnitudes(const float (&y)[kElements], float (&largest)[2]) {
#pragma unroll
  for (int i = 0; i < kElements; ++i) {
    float& of_row = largest[i / 2 % 2];
    of_row = Largest{}(std::fabs(y[i]), of_row);
  }
}

// One chunk as bytes, to where its columns are among those of a row's heads.
template <class Chunk>
__device__ __forceinline__ void store_signed(const Product& p, const ChunkPlace& place,
                                             const float (&y)[Chunk::kElements],
                                             const float (&inv)[2], std::byte* staging) {
  visit_staged<Chunk, Element::kS8, std::uint16_t>(
      staging, place.lane, [&](int i, std::uint16_t& to) {
        const float of_row = inv[i / 2 % 2];
        to =
            static_cast<std::uint16_t>(pack_bytes(quantize_signed(y[i], of_row) & 0xFFU,
                                                  quantize_signed(y[i + 1], of_row) & 0xFFU, 0, 0));
      });
  __syncwarp();
  move_chunk<Chunk, 1, true>(place, p.heads.columns, static_cast<std::byte*>(p.x.out),
                             p.x.ld_out * static_cast<std::ptrdiff_t>(sizeof(float)), staging);
  __syncwarp();
}

// A chunk of queries or keys. kPairs: of heads of two chunks the first one waits in `held` for the
// other, because their scale is one.
template <class Chunk, bool kPairs>
__device__ __forceinline__ void store_heads(const Product& p, const ChunkPlace& place,
                                            const float (&y)[Chunk::kElements],
                                            float (&held)[Chunk::kElements], std::byte* staging) {
  constexpr int kPair = 2 * Chunk::kColumns;
  const bool in_pairs = kPairs && p.heads.head_dim == kPair;
  if (in_pairs && place.column % kPair == 0) {
#pragma unroll
    for (int i = 0; i < Chunk::kElements; ++i) {
      held[i] = y[i];
    }
    return;
  }
  float largest[2] = {};
  add_magnitudes(y, largest);
  if (in_pairs) {
    add_magnitudes(held, largest);
  }
  // Each lane has the scale of one of its quad's two rows.
  const int own = place.lane % 2;
  const scalar::DynamicScale dynamic =
      scalar::symmetric_scale(fold_apart<4>(largest, place.lane, Largest{}));
  const float inv[2] = {__shfl_sync(0xFFFFFFFFU, dynamic.inv, 0, 4),
                        __shfl_sync(0xFFFFFFFFU, dynamic.inv, 1, 4)};
  const int row = place.row + accumulator_row(place.lane, own * 2);
  if (row < place.m && place.lane % 4 == own) {
    float* const in_row = static_cast<float*>(p.x.out) + row * p.x.ld_out;
    in_row[first_head_scale(p.heads) + place.column / p.heads.head_dim] = dynamic.scale;
  }
  if (in_pairs) {
    store_signed<Chunk>(p, {place.m, place.row, place.column - Chunk::kColumns, place.lane}, held,
                        inv, staging);
  }
  store_signed<Chunk>(p, place, y, inv, staging);
}

}  // namespace qe::kernels::cuda
