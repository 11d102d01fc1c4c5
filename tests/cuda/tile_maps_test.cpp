// Every kernel of the list walked on the host: its tiles, its depth parts, its shared memory, its
// fragments and its staging area by the kernels' own maps, the instructions emulated from their
// documentation, against a plain triple loop. No GPU takes part.
#include "kernels/cuda/tile_maps.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <vector>

#include "kernels/cuda/kernel_list.h"
#include "tests/cuda/emulation.h"
#include "tests/kernels/kernel_test.h"

namespace {

using namespace qe::kernels::cuda;
using qe::test::Bytes;

constexpr std::uint64_t kSeed = 20250117;

struct Problem {
  int m, n, k;
  bool a_signed;
  Bytes a, w;  // [m][k], [n][k]

  int sum(int row, int column) const {
    int total = 0;
    for (int i = 0; i < k; ++i) {
      total += qe::test::operand_value(a[static_cast<std::size_t>(row * k + i)], a_signed) *
               qe::test::operand_value(w[static_cast<std::size_t>(column * k + i)], true);
    }
    return total;
  }
};

Problem random_problem(int m, int n, int k, bool a_signed, qe::test::Random& random) {
  Problem problem{m,
                  n,
                  k,
                  a_signed,
                  Bytes(static_cast<std::size_t>(m) * k),
                  Bytes(static_cast<std::size_t>(n) * k)};
  random.fill_bytes(std::span(problem.a));
  random.fill_bytes(std::span(problem.w));
  return problem;
}

// Bytes [depth, depth + 128) of `rows` rows from `first` on at `base` of shared memory; zero
// outside the matrix, as both kinds of copy do it. `place` is the map under test.
template <class Place>
void fill_tile(Bytes& shared, int base, const Bytes& matrix, int count, int k, int first, int rows,
               int depth, Place place) {
  for (int row = 0; row < rows; ++row) {
    for (int byte = 0; byte < kDepthBytes; ++byte) {
      const bool inside = first + row < count && depth + byte < k;
      shared[static_cast<std::size_t>(base + place(row, byte))] =
          inside ? matrix[static_cast<std::size_t>((first + row) * k + depth + byte)]
                 : std::uint8_t{0};
    }
  }
}

// Accumulators of a tile: [warp][slab][lane][register].
struct Sums {
  int slabs, registers;
  std::vector<int> values;

  std::span<int> of(int warp, int slab) {
    const int size = 32 * registers;
    return std::span(values).subspan(static_cast<std::size_t>((warp * slabs + slab) * size),
                                     static_cast<std::size_t>(size));
  }
};

// A fragment of 16 rows times 32 bytes, or two of 8 columns.
template <class Source>
std::array<qe::test::Registers, 32> fragment(const Bytes& shared, int tile, int first_row, int step,
                                             Source source) {
  std::array<int, 32> addresses{};
  for (int lane = 0; lane < 32; ++lane) {
    const RowChunk place = source(lane);
    addresses[static_cast<std::size_t>(lane)] =
        tile + tile_offset(first_row + place.row, step * kInstructionChunks + place.chunk);
  }
  return qe::test::emulate_ldmatrix(shared, addresses);
}

void mma_step(const KernelShape& shape, const Bytes& shared, Sums& sums, bool major_signed,
              bool minor_signed) {
  const int warp_major = shape.major / shape.warps_major;
  const int warp_minor = shape.minor / shape.warps_minor;
  const int minor_tile = shape.major * kDepthBytes;
  for (int warp = 0; warp < shape.warps(); ++warp) {
    const int row = warp / shape.warps_minor * warp_major;
    const int column = warp % shape.warps_minor * warp_minor;
    for (int step = 0; step < kInstructionsPerTile; ++step) {
      for (int slab = 0; slab < sums.slabs; ++slab) {
        const auto a = fragment(shared, 0, row + slab * 16, step, major_fragment_source);
        for (int pair = 0; pair < warp_minor / 16; ++pair) {
          const auto b =
              fragment(shared, minor_tile, column + pair * 16, step, minor_fragment_source);
          for (int half = 0; half < 2; ++half) {
            std::array<std::array<std::uint32_t, 2>, 32> b_half{};
            std::vector<int> c(128);
            for (std::size_t lane = 0; lane < 32; ++lane) {
              b_half[lane] = {b[lane][static_cast<std::size_t>(half * 2)],
                              b[lane][static_cast<std::size_t>(half * 2 + 1)]};
            }
            qe::test::emulate_mma(c, a, b_half, major_signed, minor_signed);
            for (int lane = 0; lane < 32; ++lane) {
              for (int i = 0; i < 4; ++i) {
                sums.of(warp, slab)[static_cast<std::size_t>(lane * sums.registers +
                                                             (pair * 2 + half) * 4 + i)] +=
                    c[static_cast<std::size_t>(lane * 4 + i)];
              }
            }
          }
        }
      }
    }
  }
}

constexpr int kGroupRows = 64;

void wgmma_step(const KernelShape& shape, const Bytes& shared, Sums& sums, bool major_signed,
                bool minor_signed) {
  const auto minor_tile = static_cast<std::uint32_t>(shape.major * kDepthBytes);
  for (int warp = 0; warp < shape.tile_warps(); ++warp) {
    for (int slab = 0; slab < sums.slabs; ++slab) {
      const int first_row = (shape.ping_pong ? slab : warp / 4) * kGroupRows;
      for (int step = 0; step < kInstructionsPerTile; ++step) {
        qe::test::emulate_wgmma(
            sums.of(warp, slab), shape.minor, warp % 4, shared,
            matrix_descriptor(static_cast<std::uint32_t>(first_row * kDepthBytes)) +
                static_cast<std::uint64_t>(step) * kDescriptorStep,
            matrix_descriptor(minor_tile) + static_cast<std::uint64_t>(step) * kDescriptorStep,
            major_signed, minor_signed);
      }
    }
  }
}

// The result matrix with a count of how often each element was written.
struct Result {
  int m, n;
  std::vector<int> values, writes;
};

// One chunk from registers over the staging area to the matrix, its elements 4 bytes wide.
template <bool kSwapped, int kFragments>
void store_chunk(Result& result, std::span<const int> registers, int stride, int row0,
                 int column0) {
  using Chunk = ResultChunk<kSwapped, kFragments>;
  std::vector<int> staging(kStagingBytes / 4, -1);
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < Chunk::kElements; ++i) {
      const int at = Chunk::staging_offset(Chunk::row(lane, i), Chunk::column(lane, i), 4);
      staging.at(static_cast<std::size_t>(at / 4)) =
          registers[static_cast<std::size_t>(lane * stride + i)];
    }
  }
  for (int piece = 0; piece < Chunk::pieces(4); ++piece) {
    for (int i = 0; i < kChunkBytes / 4; ++i) {
      const int row = Chunk::piece_row(piece, 4);
      const int column = Chunk::piece_column(piece, 4) + i;
      if (row0 + row >= result.m || column0 + column >= result.n) continue;
      const auto at = static_cast<std::size_t>((row0 + row) * result.n + column0 + column);
      result.values[at] =
          staging.at(static_cast<std::size_t>(Chunk::staging_offset(row, column, 4) / 4));
      ++result.writes[at];
    }
  }
}

template <bool kSwapped, int kFragments>
void store_warp(Result& result, Sums& sums, int warp, int major, int minor, int slab_stride) {
  const int chunks = sums.registers / (kFragments * 4);
  for (int slab = 0; slab < sums.slabs; ++slab) {
    for (int chunk = 0; chunk < chunks; ++chunk) {
      const int chunk_major = major + slab * slab_stride;
      const int chunk_minor = minor + chunk * kFragments * 8;
      store_chunk<kSwapped, kFragments>(
          result, sums.of(warp, slab).subspan(static_cast<std::size_t>(chunk * kFragments * 4)),
          sums.registers, kSwapped ? chunk_minor : chunk_major,
          kSwapped ? chunk_major : chunk_minor);
    }
  }
}

void store_tile(const KernelShape& shape, Result& result, Sums& sums, TileIndex tile) {
  const bool mma = shape.family == Family::kMma;
  for (int warp = 0; warp < shape.tile_warps(); ++warp) {
    int major = tile.major * shape.major;
    int minor = tile.minor * shape.minor;
    if (mma) {
      major += warp / shape.warps_minor * (shape.major / shape.warps_major);
      minor += warp % shape.warps_minor * (shape.minor / shape.warps_minor);
    } else {
      major += warp / 4 * kGroupRows + warp % 4 * 16;
    }
    const int stride = mma ? 16 : kGroupRows;
    const int fragments = std::min(kChunkFragments, sums.registers / 4);
    if (shape.swapped && fragments == 2) {
      store_warp<true, 2>(result, sums, warp, major, minor, stride);
    } else if (shape.swapped) {
      store_warp<true, 4>(result, sums, warp, major, minor, stride);
    } else {
      store_warp<false, 4>(result, sums, warp, major, minor, stride);
    }
  }
}

Result emulated(const KernelShape& shape, const Problem& problem, int splits) {
  const bool mma = shape.family == Family::kMma;
  Result result{problem.m, problem.n, std::vector<int>(problem.a.size()), {}};
  result.values.assign(static_cast<std::size_t>(problem.m) * problem.n, 0);
  result.writes = result.values;
  const TileGrid grid = tile_grid(shape, problem.m, problem.n);
  const int steps = depth_steps(problem.k);
  const int slabs = mma ? shape.major / shape.warps_major / 16 : shape.ping_pong ? 2 : 1;
  const int registers = mma ? shape.minor / shape.warps_minor / 2 : shape.minor / 2;
  const bool major_signed = shape.swapped || problem.a_signed;
  const bool minor_signed = !shape.swapped || problem.a_signed;
  const auto place = [mma](int row, int byte) {
    return mma ? tile_offset(row, byte / kChunkBytes) + byte % kChunkBytes
               : static_cast<int>(
                     qe::test::swizzled(static_cast<std::uint32_t>(row * kDepthBytes + byte)));
  };
  for (int tile = 0; tile < grid.count(); ++tile) {
    const TileIndex index = tile_of(shape, tile, grid);
    Sums sums{
        slabs, registers,
        std::vector<int>(static_cast<std::size_t>(shape.tile_warps()) * slabs * 32 * registers)};
    for (int part = 0; part < splits; ++part) {
      const DepthRange range = depth_part(steps, part, splits);
      for (int step = range.begin; step < range.end; ++step) {
        Bytes shared(static_cast<std::size_t>(shape.stage_bytes()));
        const auto fill = [&](int base, bool weights, int first, int rows) {
          fill_tile(shared, base, weights ? problem.w : problem.a, weights ? problem.n : problem.m,
                    problem.k, first, rows, step * kDepthBytes, place);
        };
        fill(0, shape.swapped, index.major * shape.major, shape.major);
        fill(shape.major * kDepthBytes, !shape.swapped, index.minor * shape.minor, shape.minor);
        if (mma) {
          mma_step(shape, shared, sums, major_signed, minor_signed);
        } else {
          wgmma_step(shape, shared, sums, major_signed, minor_signed);
        }
      }
    }
    store_tile(shape, result, sums, index);
  }
  return result;
}

void check_product(const KernelShape& shape, const Problem& problem, int splits) {
  const Result result = emulated(shape, problem, splits);
  bool right = true;
  for (int row = 0; row < problem.m; ++row) {
    for (int column = 0; column < problem.n; ++column) {
      const auto at = static_cast<std::size_t>(row * problem.n + column);
      right &= result.writes[at] == 1 && result.values[at] == problem.sum(row, column);
    }
  }
  CHECK_MESSAGE(right, shape.name << " m " << problem.m << " n " << problem.n << " k " << problem.k
                                  << " signed " << problem.a_signed << " splits " << splits);
}

}  // namespace

TEST_CASE("every kernel's maps, emulated, give the sums of a plain product") {
  MESSAGE("seed " << kSeed);
  qe::test::Random random(kSeed);
  for (const KernelShape& shape : kKernels) {
    const int along = random.integer(shape.major + 1, shape.major * 2);
    const int across = random.integer(1, shape.minor + 9);
    const int k = random.integer(130, 300);
    for (const bool a_signed : {false, true}) {
      const int m = shape.swapped ? across : along;
      const int n = shape.swapped ? along : across;
      check_product(shape, random_problem(m, n, k, a_signed, random), a_signed ? 2 : 1);
    }
    check_product(shape, random_problem(1, 1, 1, false, random), 1);
  }
}

TEST_CASE("both kinds of copy put bytes in the same place") {
  for (int row = 0; row < 256; ++row) {
    for (int byte = 0; byte < kDepthBytes; ++byte) {
      CHECK(tile_offset(row, byte / kChunkBytes) + byte % kChunkBytes ==
            static_cast<int>(
                qe::test::swizzled(static_cast<std::uint32_t>(row * kDepthBytes + byte))));
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
  for (const int bytes : {1, 2, 4}) {
    std::set<int> offsets;
    std::set<std::pair<int, int>> pieces;
    for (int lane = 0; lane < kWarpLanes; ++lane) {
      for (int i = 0; i < Chunk::kElements; ++i) {
        const int row = Chunk::row(lane, i);
        const int column = Chunk::column(lane, i);
        CHECK((row >= 0 && row < Chunk::kRows && column >= 0 && column < Chunk::kColumns));
        const int offset = Chunk::staging_offset(row, column, bytes);
        CHECK(offset + bytes <= kStagingBytes);
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
