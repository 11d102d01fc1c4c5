// u8 x s8 matrix product and convolution with AVX-512 VNNI: micro-kernels of up to 6 rows by 64
// columns, or more rows by fewer, whose 24 accumulators stay in registers from the column offset to
// the result. Columns outer, rows inner: a panel of weights is read from memory once per block of
// rows, and the next one is fetched while the present one is multiplied. Uses F, BW, VL, DQ and
// VNNI only. Why these tiles: docs/decisions/0002-gemm-microkernel.md.
#include <array>
#include <utility>

#include "kernels/isa_tables.h"
#include "kernels/x86/avx512_vnni/gemm_epilogue.h"
#include "kernels/x86/avx512_vnni/gemm_tile.h"
#include "kernels/x86/row_blocks.h"

namespace qe::kernels::avx512_vnni {
namespace {

// Up to this many rows, the weights are a stream, prefetched this many bytes ahead of its reading.
// With more rows there are at least two tiles, which fetch the next panel beside the present one:
// the short stream cannot hide the memory behind so much arithmetic.
constexpr int kStreamRows = 4;
constexpr int kStreamAhead = 4096;

// `count` tiles one below the other.
template <Epilogue kEpilogue, int kRows, int kWidth>
void multiply_tiles(Tile tile, int count) {
#pragma GCC unroll 1
  for (; count > 0; --count) {
    Block<kRows, kWidth> acc;
    accumulate<kRows, kWidth>(tile, acc);
    finish<kEpilogue, kRows, kWidth>(tile, acc);
    tile.row += kRows;
  }
}

using TileFunction = void (*)(Tile tile, int count);
constexpr int kMostRows = 12;
using TilesOfWidth = std::array<TileFunction, kMostRows>;  // [rows - 1]
using Tiles = std::array<TilesOfWidth, kVectors>;          // [vectors of a panel - 1]

template <Epilogue kEpilogue, int kWidth, int... kRows>
constexpr TilesOfWidth tiles_of_width(std::integer_sequence<int, kRows...>) {
  return {multiply_tiles<kEpilogue, kRows + 1, kWidth>...};
}
template <Epilogue kEpilogue, int... kWidth>
constexpr Tiles tiles(std::integer_sequence<int, kWidth...>) {
  return {tiles_of_width<kEpilogue, kWidth + 1>(
      std::make_integer_sequence<int, kTallest[kWidth + 1]>())...};
}
template <Epilogue kEpilogue>
constexpr Tiles kTiles = tiles<kEpilogue>(std::make_integer_sequence<int, kVectors>());

const Tiles& tiles_for(const GemmArgs& args) {
  switch (epilogue_of(args)) {
    case Epilogue::kBytes:
      return kTiles<Epilogue::kBytes>;
    case Epilogue::kFloats:
      return kTiles<Epilogue::kFloats>;
    case Epilogue::kAny:
      break;
  }
  return kTiles<Epilogue::kAny>;
}

void multiply_rows(const GemmArgs& args, int first_row, int rows) {
  const Tiles& functions = tiles_for(args);
  const int steps = round_up(args.k, kDepthGroup) / kDepthGroup;
  const int all_steps = steps * tap_count(args);
  const bool stream = rows <= kStreamRows;
  for (int panel = args.first_panel; panel < args.last_panel; ++panel) {
    const int column = panel * kPanelWidth;
    const int left = (round_up(args.n, kColumnGroup) - column) / kColumnGroup;
    const int vectors = left < kVectors ? left : kVectors;
    const int tallest = kTallest[vectors];
    const int tiles = rows > kStreamRows && rows <= tallest ? 2 : (rows + tallest - 1) / tallest;
    const std::ptrdiff_t step_bytes = vectors * kLineBytes;
    const std::int8_t* b = args.b + static_cast<std::ptrdiff_t>(column) * all_steps * kDepthGroup;
    // The tiles share the fetching of the next panel, behind the last one of the next product's.
    const std::int8_t* const next =
        panel + 1 < args.last_panel ? b + step_bytes * all_steps : args.next_b;
    const std::ptrdiff_t stride = stream ? step_bytes : next ? step_bytes / tiles : 0;
    const std::int8_t* prefetch = stream ? b + kStreamAhead : next ? next : b;
    // Tiles of nearly equal height: no short last tile that cannot fill the multipliers.
    const int height = rows / tiles;
    const int higher = rows % tiles;
    const Tile first{{args, first_row, column}, b, steps, prefetch, stride};
    if (higher > 0) {
      functions[vectors - 1][height](first, higher);
    }
    Tile rest = first;
    rest.row += higher * (height + 1);
    rest.prefetch += higher * stride * all_steps;
    functions[vectors - 1][height - 1](rest, tiles - higher);
  }
}

}  // namespace

void gemm(const GemmArgs& args) noexcept {
  if (args.m <= 0) {
    return;
  }
  const int block = rows_per_block(args);
  for (int row = 0; row < args.m; row += block) {
    multiply_rows(args, row, block < args.m - row ? block : args.m - row);
  }
}

}  // namespace qe::kernels::avx512_vnni
