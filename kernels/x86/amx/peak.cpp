// The most INT8 multiply-adds this CPU can do in tiles: tdpbusd on four accumulators, from tile
// registers only.
#include "kernels/peak.h"

#include "kernels/x86/amx/tiles.h"

namespace qe::kernels::amx {
namespace {

constexpr int kAccumulators = 4;

std::int32_t multiply(std::int64_t iterations) noexcept {
  alignas(64) std::int32_t sums[kAccumulators * kTileRows * kTileColumns];
  const TileConfig config(kTileRows, kTileDepth);
  for (std::int64_t n = 0; n < iterations; ++n) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
  _tile_stored(0, sums, kTileDepth);
  _tile_stored(1, sums + 1 * kTileRows * kTileColumns, kTileDepth);
  _tile_stored(2, sums + 2 * kTileRows * kTileColumns, kTileDepth);
  _tile_stored(3, sums + 3 * kTileRows * kTileColumns, kTileDepth);
  std::int32_t sum = 0;
  for (const std::int32_t value : sums) {
    sum ^= value;
  }
  return sum;
}

}  // namespace

const PeakLoop kPeakLoop = {kAccumulators * kTileRows * kTileColumns * kTileDepth, multiply};

}  // namespace qe::kernels::amx
