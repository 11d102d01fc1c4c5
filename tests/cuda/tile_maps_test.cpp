// The index maps of the product: swizzled tiles, the order of tiles, parts of the depth, the
// staging area of results. That kernels put them together rightly is shown by running them
// (tests/cuda/simt).
#include "kernels/cuda/tile_maps.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include "kernels/cuda/kernel_list.h"

namespace {

using namespace qe::kernels::cuda;

// Where a copy with 128-byte swizzling puts a byte (PTX ISA): bits 4 to 6 of the address take in
// bits 7 to 9.
constexpr int swizzled(int address) { return address ^ (address >> 7 & 7) << 4; }

}  // namespace

TEST_CASE("both kinds of copy put bytes in the same place") {
  for (int row = 0; row < 256; ++row) {
    for (int byte = 0; byte < kDepthBytes; ++byte) {
      CHECK(tile_offset(row, byte / kChunkBytes) + byte % kChunkBytes ==
            swizzled(row * kDepthBytes + byte));
    }
  }
}

TEST_CASE("the eight rows that an access reads lie in different bank groups") {
  for (int chunk = 0; chunk < kChunksPerRow; ++chunk) {
    std::set<int> groups;
    for (int row = 0; row < 8; ++row) groups.insert(tile_offset(row, chunk) / kChunkBytes % 8);
    CHECK(groups.size() == 8);
  }
}

TEST_CASE("tiles are handed out once each, neighbours along the rows first") {
  for (const int majors : {1, 2, 7, 8, 9, 17}) {
    for (const int minors : {1, 3, 8}) {
      std::set<std::pair<int, int>> seen;
      for (int i = 0; i < majors * minors; ++i) {
        const TileIndex tile = tile_at(i, majors, minors);
        CHECK((tile.major >= 0 && tile.major < majors && tile.minor >= 0 && tile.minor < minors));
        seen.insert({tile.major, tile.minor});
      }
      CHECK(seen.size() == static_cast<std::size_t>(majors * minors));
    }
  }
  CHECK(tile_at(1, 16, 4).major == 1);
  CHECK(tile_at(1, 16, 4).minor == 0);
}

TEST_CASE("parts of a depth are whole, in order and not empty") {
  for (int steps = 1; steps <= 40; ++steps) {
    for (int parts = 1; parts <= std::min(steps, kMostSplits); ++parts) {
      int end = 0;
      for (int part = 0; part < parts; ++part) {
        const DepthRange range = depth_part(steps, part, parts);
        CHECK(range.begin == end);
        CHECK(range.end > range.begin);
        end = range.end;
      }
      CHECK(end == steps);
    }
  }
}

namespace {

// Elements of a chunk cover its rows and columns once, staged without overlap, for every type.
template <bool kSwapped, int kFragments>
void check_chunk() {
  using Chunk = ResultChunk<kSwapped, kFragments>;
  for (const int bytes : {1, 2}) {
    std::set<int> offsets;
    std::set<std::pair<int, int>> pieces;
    for (int lane = 0; lane < kWarpLanes; ++lane) {
      for (int i = 0; i < Chunk::kElements; ++i) {
        const int row = Chunk::row(lane, i);
        const int column = Chunk::column(lane, i);
        CHECK((row >= 0 && row < Chunk::kRows && column >= 0 && column < Chunk::kColumns));
        const int offset = Chunk::staging_offset(row, column, bytes);
        CHECK(offset + bytes <= kStagingBytes);
        if (Chunk::kStep == 2 && i % 2 == 0) {
          CHECK(Chunk::row(lane, i + 1) == row);
          CHECK(Chunk::column(lane, i + 1) == column + 1);
          CHECK(offset % (2 * bytes) == 0);
        }
        offsets.insert(offset);
      }
    }
    CHECK(offsets.size() == static_cast<std::size_t>(Chunk::kRows * Chunk::kColumns));
    for (int piece = 0; piece < Chunk::pieces(bytes); ++piece) {
      const int row = Chunk::piece_row(piece, bytes);
      const int column = Chunk::piece_column(piece, bytes);
      CHECK(Chunk::staging_offset(row, column, bytes) % kChunkBytes == 0);
      CHECK(column * bytes % kChunkBytes == 0);
      pieces.insert({row, column});
    }
    CHECK(pieces.size() * kChunkBytes ==
          static_cast<std::size_t>(Chunk::kRows * Chunk::kColumns * bytes));
  }
}

}  // namespace

TEST_CASE("chunks of results pass through their staging area whole") {
  check_chunk<false, 4>();
  check_chunk<true, 4>();
  check_chunk<true, 2>();
}
