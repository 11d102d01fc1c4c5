// Warps that share a tile of queries, each with some of the groups of tokens: what they tell each
// other through shared memory. All warps of the block take part. Device code.
#pragma once

#include <cstddef>

#include "kernels/cuda/attention_block.h"
#include "kernels/cuda/fold.h"

namespace qe::kernels::cuda {

// The largest scores of a lane's two rows, of all warps that share them.
__device__ __forceinline__ void share_largest(const AttentionBlock& block, float (&largest)[2]) {
  auto* places = reinterpret_cast<float2*>(block.shared + block.layout.bytes);
  const int row = block.lane / 4;
  if (block.lane % 4 == 0) {
    places[block.warp * 8 + row] = make_float2(largest[0], largest[1]);
  }
  __syncthreads();
#pragma unroll
  for (int member = 0; member < kMostSharers; ++member) {
    if (member < block.members()) {
      const float2 other = places[(block.tile() + member * block.tiles()) * 8 + row];
      largest[0] = Largest{}(other.x, largest[0]);
      largest[1] = Largest{}(other.y, largest[1]);
    }
  }
}

// Adds up, in the first of the warps that share a tile, what all of them have.
template <int kSteps>
__device__ __forceinline__ void share_context(const AttentionBlock& block,
                                              Context<kSteps>& context) {
  constexpr int kPieces = Context<kSteps>::kFragments;
  auto* const pieces =
      reinterpret_cast<int4*>(block.shared + block.layout.bytes + kSharedLargestBytes);
  const auto place = [&](int warp, int fragment) {
    return pieces + (warp * kPieces + fragment) * kWarpLanes + block.lane;
  };
  if (block.member() > 0) {
#pragma unroll
    for (int fragment = 0; fragment < kPieces; ++fragment) {
      const int(&acc)[4] = context.acc[fragment];
      *place(block.warp, fragment) = make_int4(acc[0], acc[1], acc[2], acc[3]);
    }
  }
  __syncthreads();
  if (block.member() == 0) {
#pragma unroll 1
    for (int warp = block.tile() + block.tiles(); warp < block.warps; warp += block.tiles()) {
#pragma unroll
      for (int fragment = 0; fragment < kPieces; ++fragment) {
        const int4 other = *place(warp, fragment);
        int(&acc)[4] = context.acc[fragment];
        acc[0] += other.x;
        acc[1] += other.y;
        acc[2] += other.z;
        acc[3] += other.w;
      }
    }
  }
}

}  // namespace qe::kernels::cuda
