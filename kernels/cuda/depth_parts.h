// Sums of a tile whose depth several blocks share, added up in memory. Device code.
#pragma once

#include <cstddef>

#include "kernels/cuda/product.h"
#include "kernels/cuda/ptx/fence.h"
#include "kernels/cuda/ptx/shared.h"
#include "kernels/cuda/tile_maps.h"

namespace qe::kernels::cuda {

// Adds up the parts of the depth of one warp's accumulators. Every warp leaves its part in memory;
// the one that comes last has the whole sum in `acc` and gets true. Sums of integers are the same
// in any order, so results do not depend on who that is.
template <int kSlabs, int kRegisters>
__device__ __forceinline__ bool add_parts(const Product& p, int (&acc)[kSlabs][kRegisters],
                                          int tile, int part, int warp, int warps, int lane) {
  if (p.splits == 1) {
    return true;
  }
  constexpr int kQuads = kSlabs * kRegisters / 4;
  const auto place = [&](int which) {
    return whole_pointer(reinterpret_cast<int4*>(p.partials) +
                         (static_cast<std::ptrdiff_t>(tile * p.splits + which) * warps + warp) *
                             kQuads * kWarpLanes +
                         lane);
  };
  int4* const own = place(part);
#pragma unroll
  for (int quad = 0; quad < kQuads; ++quad) {
    const int* v = &acc[quad * 4 / kRegisters][quad * 4 % kRegisters];
    __stcg(own + quad * kWarpLanes, make_int4(v[0], v[1], v[2], v[3]));
  }
  __syncwarp();
  unsigned int arrived = 0;
  const auto last = static_cast<unsigned int>(p.splits - 1);
  if (lane == 0) {
    // What the warp wrote before the count, and what other warps wrote after it.
    fence_device();
    arrived = atomicInc(p.arrivals + tile * warps + warp, last);  // back to zero after the last
    fence_device();
  }
  if (__shfl_sync(0xFFFFFFFFU, arrived, 0) != last) {
    return false;
  }
  __syncwarp();
  for (int other = 0; other < p.splits; ++other) {
    if (other == part) {
      continue;
    }
    const int4* const theirs = place(other);
#pragma unroll
    for (int quad = 0; quad < kQuads; ++quad) {
      const int4 v = __ldcg(theirs + quad * kWarpLanes);
      int* sum = &acc[quad * 4 / kRegisters][quad * 4 % kRegisters];
      sum[0] += v.x;
      sum[1] += v.y;
      sum[2] += v.z;
      sum[3] += v.w;
    }
  }
  return true;
}

}  // namespace qe::kernels::cuda
