// The tile registers of AMX as the product uses them, and the micro-kernel in them: up to two tiles
// of rows by two tiles of sixteen columns. Included only by files of this folder.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/kernel_table.h"

namespace qe::kernels {
namespace {

inline constexpr int kTileRows = 16;     // of a tile, at most
inline constexpr int kTileDepth = 64;    // bytes of a row of a tile
inline constexpr int kTileColumns = 16;  // sums of a row of a tile
inline constexpr int kPassColumns = 2 * kTileColumns;
inline constexpr int kSumStride = kPassColumns * static_cast<int>(sizeof(std::int32_t));

// Registers 0-3 hold sums, 4 and 5 rows of A, 6 and 7 columns of B. Configured for the lifetime of
// the object; sets every tile to zero.
class TileConfig {
 public:
  // `rows` of A in a tile, `depth` bytes each: a multiple of 4.
  TileConfig(int rows, int depth) {
    for (int i = 0; i < 8; ++i) {
      const bool of_b = i >= 6;
      const bool of_a = i == 4 || i == 5;
      data_.rows[i] = static_cast<std::uint8_t>(of_b ? depth / kDepthGroup : rows);
      data_.row_bytes[i] = static_cast<std::uint16_t>(of_a ? depth : kTileDepth);
    }
    // GCC 12 takes the configuration for its first eight bytes: the others must not be dead stores.
    asm volatile("" : : "m"(data_));
    _tile_loadconfig(&data_);
  }
  ~TileConfig() { _tile_release(); }
  TileConfig(const TileConfig&) = delete;
  TileConfig& operator=(const TileConfig&) = delete;

 private:
  struct alignas(64) Data {  // the memory operand of ldtilecfg
    std::uint8_t palette = 1;
    std::uint8_t start_row = 0;
    std::uint8_t reserved[14] = {};
    std::uint16_t row_bytes[16] = {};
    std::uint8_t rows[16] = {};
  };
  Data data_;
};

// One step of the depth: where its rows and columns lie.
struct StepOperands {
  const std::uint8_t* a;
  std::ptrdiff_t lda;
  std::ptrdiff_t second;  // from the first tile of rows to the second, in bytes
  const std::int8_t* b;
  std::ptrdiff_t ldb;  // bytes of four depths of the panel
};

// Where the sums of two tiles of rows begin: at zero where `from` is null, or at numbers in memory,
// `stride` bytes from row to row (0: every row the same) and `second` to the second tile.
struct Start {
  const std::int32_t* from;
  std::ptrdiff_t stride;
  std::ptrdiff_t second;
};

inline constexpr int kSlotsOfStep = 4;

// One step. Weights pass by once a block of rows: loads that leave them out of the nearest cache
// keep the rows in it. `between` is called kSlotsOfStep times.
template <int kRowTiles, int kColumnTiles, class Between>
[[gnu::always_inline]] inline void multiply_step(const StepOperands& at, Between between) {
  _tile_stream_loadd(6, at.b, at.ldb);
  _tile_loadd(4, at.a, at.lda);
  _tile_dpbusd(0, 4, 6);
  between();
  if constexpr (kColumnTiles == 2) {
    _tile_stream_loadd(7, at.b + kTileDepth, at.ldb);
    _tile_dpbusd(1, 4, 7);
  }
  between();
  if constexpr (kRowTiles == 2) {
    _tile_loadd(5, at.a + at.second, at.lda);
    _tile_dpbusd(2, 5, 6);
  }
  between();
  if constexpr (kRowTiles == 2 && kColumnTiles == 2) {
    _tile_dpbusd(3, 5, 7);
  }
  between();
}

// The first step of a pass: sum by sum, what the pass before left in a tile goes to memory and the
// tile begins anew. Only so are tiles multiplied while others are stored: stores in a row wait for
// the last multiplication before them, and the next one for the last of them. `wide`: the pass
// before had two tiles of columns.
template <int kRowTiles, int kColumnTiles, class Between>
[[gnu::always_inline]] inline void first_step(const StepOperands& at, const Start& start,
                                              std::int32_t* before, std::ptrdiff_t before_second,
                                              bool wide, Between between) {
  const auto* from = reinterpret_cast<const std::byte*>(start.from);
  auto* out = reinterpret_cast<std::byte*>(before);
  _tile_stream_loadd(6, at.b, at.ldb);
  _tile_loadd(4, at.a, at.lda);
  _tile_stored(0, out, kSumStride);
  if (from) {
    _tile_loadd(0, from, start.stride);
  } else {
    _tile_zero(0);
  }
  _tile_dpbusd(0, 4, 6);
  between();
  if (wide) {
    _tile_stored(1, out + kTileDepth, kSumStride);
  }
  if constexpr (kColumnTiles == 2) {
    _tile_stream_loadd(7, at.b + kTileDepth, at.ldb);
    if (from) {
      _tile_loadd(1, from + kTileDepth, start.stride);
    } else {
      _tile_zero(1);
    }
    _tile_dpbusd(1, 4, 7);
  }
  between();
  if constexpr (kRowTiles == 2) {
    _tile_loadd(5, at.a + at.second, at.lda);
    _tile_stored(2, out + before_second, kSumStride);
    if (from) {
      _tile_loadd(2, from + start.second, start.stride);
    } else {
      _tile_zero(2);
    }
    _tile_dpbusd(2, 5, 6);
  }
  between();
  if constexpr (kRowTiles == 2) {
    if (wide) {
      _tile_stored(3, out + before_second + kTileDepth, kSumStride);
    }
    if constexpr (kColumnTiles == 2) {
      if (from) {
        _tile_loadd(3, from + start.second + kTileDepth, start.stride);
      } else {
        _tile_zero(3);
      }
      _tile_dpbusd(3, 5, 7);
    }
  }
  between();
}

// What the last pass left; `second`: bytes to the second tile of rows.
template <int kRowTiles>
[[gnu::always_inline]] inline void store_sums(std::int32_t* sums, std::ptrdiff_t second) {
  auto* first = reinterpret_cast<std::byte*>(sums);
  _tile_stored(0, first, kSumStride);
  _tile_stored(1, first + kTileDepth, kSumStride);
  if constexpr (kRowTiles == 2) {
    _tile_stored(2, first + second, kSumStride);
    _tile_stored(3, first + second + kTileDepth, kSumStride);
  }
}

}  // namespace
}  // namespace qe::kernels
