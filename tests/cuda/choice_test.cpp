// The choice of a kernel and of depth parts, for shapes and GPUs at random: always one that can
// compute the product in the memory there is.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <set>
#include <utility>

#include "kernels/cuda/kernel_list.h"
#include "kernels/cuda/row_bytes_plan.h"
#include "tests/kernels/kernel_test.h"

namespace {

using namespace qe::kernels::cuda;

constexpr int kShared80 = 99 * 1024;  // of a block, the least of all GPUs from 8.0 on
constexpr int kShared90 = 227 * 1024;

// Of a GPU whose parts hold whole clusters but for the last.
ResidentBlocks resident_blocks(int multiprocessors, bool has_wgmma) {
  ResidentBlocks resident{};
  for (int kernel = 0; kernel < kKernelCount; ++kernel) {
    const KernelShape& shape = kKernels[kernel];
    if (shape.family == Family::kMma || has_wgmma) {
      resident[static_cast<std::size_t>(kernel)] =
          multiprocessors / shape.cluster() * shape.cluster();
    }
  }
  return resident;
}

}  // namespace

TEST_CASE("the list keeps its families together and every kernel fits its GPUs") {
  bool wgmma = false;
  for (const KernelShape& shape : kKernels) {
    CAPTURE(shape.name);
    CHECK_FALSE((wgmma && shape.family == Family::kMma));
    wgmma = wgmma || shape.family == Family::kWgmma;
    const int bytes = shape.stages * shape.stage_bytes();
    CHECK(bytes <= (shape.family == Family::kMma ? kShared80 : kShared90));
    CHECK(shape.warps() > 0);
    // The bound of the memory for sums shared by blocks, and for their counters.
    CHECK((!may_split(shape) || shape.major * shape.minor <= kLargestSplitTile));
    CHECK(shape.tile_warps() <= 2 * 8);
  }
  CHECK(wgmma);
}

TEST_CASE("a kernel is chosen for every shape, and its parts fit") {
  qe::test::Random random(7);
  for (int i = 0; i < 2000; ++i) {
    const int m = 1 << random.integer(0, 14);
    const int n = random.integer(1, 9000);
    const int k = random.integer(1, 9000);
    const int multiprocessors = random.integer(1, 200);
    for (const bool has_wgmma : {false, true}) {
      const ResidentBlocks resident = resident_blocks(multiprocessors, has_wgmma);
      const Choice choice = choose_kernel(m, n, k, multiprocessors, resident);
      REQUIRE((choice.kernel >= 0 && choice.kernel < kKernelCount));
      const KernelShape& shape = kKernels[choice.kernel];
      CHECK((shape.family == Family::kWgmma) == has_wgmma);
      CHECK(resident[static_cast<std::size_t>(choice.kernel)] > 0);
      CHECK(valid_splits(shape, m, n, k, choice.splits, multiprocessors));
      if (choice.splits > 1) {
        const std::int64_t parts =
            static_cast<std::int64_t>(tile_grid(shape, m, n).count()) * choice.splits;
        CHECK(static_cast<std::size_t>(parts * shape.major * shape.minor) * 4 <=
              partial_bytes(multiprocessors));
        CHECK(static_cast<std::size_t>(tile_grid(shape, m, n).count() * shape.tile_warps()) * 4 <=
              arrival_bytes(multiprocessors));
      }
    }
  }
}

TEST_CASE("few rows take swapped kernels, many rows large tiles or shared operands") {
  const ResidentBlocks resident = resident_blocks(132, true);
  const auto chosen = [&](int m, int n, int k) -> const KernelShape& {
    return kKernels[choose_kernel(m, n, k, 132, resident).kernel];
  };
  CHECK(chosen(1, 3072, 768).swapped);
  CHECK(chosen(16, 4096, 1024).swapped);
  const KernelShape& large = chosen(8192, 8192, 8192);
  CHECK(large.major * large.cluster_major >= 256);
  CHECK(large.minor * large.cluster_minor >= 256);
  CHECK(chosen(4096, 3072, 768).ping_pong);  // finishing weighs as much as multiplying
  CHECK_FALSE(valid_splits(kKernels[0], 128, 128, 100, 2, 132));  // one step of depth
  CHECK_FALSE(valid_splits(kKernels[0], 128, 128, 4096, kMostSplits + 1, 132));
}

TEST_CASE("tiles of a cluster lie together, and each share of an operand is brought once") {
  for (const KernelShape& shape : kKernels) {
    CAPTURE(shape.name);
    const TileGrid grid = tile_grid(shape, 1000, 900);
    CHECK(grid.majors % shape.cluster_major == 0);
    CHECK(grid.minors % shape.cluster_minor == 0);
    CHECK(shape.major_share() * shape.cluster_minor == shape.major);
    CHECK(shape.minor_share() * shape.cluster_major == shape.minor);
    std::set<std::pair<int, int>> seen;
    for (int tile = 0; tile < grid.count(); ++tile) {
      const TileIndex index = tile_of(shape, tile, grid);
      seen.insert({index.major, index.minor});
      const int first = tile / shape.cluster() * shape.cluster();
      for (int rank = 0; rank < shape.cluster(); ++rank) {
        const TileIndex other = tile_of(shape, first + rank, grid);
        const TileIndex place = place_in_cluster(shape, tile - first);
        CHECK((row_mates(shape, place) >> rank & 1U) == (other.major == index.major ? 1U : 0U));
        CHECK((column_mates(shape, place) >> rank & 1U) == (other.minor == index.minor ? 1U : 0U));
      }
    }
    CHECK(seen.size() == static_cast<std::size_t>(grid.count()));
  }
}

TEST_CASE("rows become bytes in their product where its grid holds their tiles side by side") {
  const ResidentBlocks h200 = resident_blocks(132, true);
  CHECK(choose_row_bytes_kernel(16384, 3072, 768, 132, h200).has_value());
  CHECK(choose_row_bytes_kernel(4096, 4096, 1024, 132, h200).has_value());
  CHECK_FALSE(choose_row_bytes_kernel(4096, 9000, 1024, 132, h200).has_value());
  CHECK_FALSE(choose_row_bytes_kernel(4096, 3072, 768, 108, resident_blocks(108, false)));
  qe::test::Random random(8);
  for (int i = 0; i < 1000; ++i) {
    const int m = random.integer(1, 20000);
    const int n = random.integer(1, 9000);
    const int multiprocessors = random.integer(1, 200);
    const ResidentBlocks resident = resident_blocks(multiprocessors, true);
    const auto choice = choose_row_bytes_kernel(m, n, 768, multiprocessors, resident);
    if (!choice) continue;
    const KernelShape& shape = kKernels[choice->kernel];
    const TileGrid grid = tile_grid(shape, m, n);
    const int blocks = std::min(grid.count(), resident[static_cast<std::size_t>(choice->kernel)]);
    CHECK(choice->splits == 1);
    // Of the same rows no two tiles are of one block's same round, nor more than a round apart.
    for (int tile = 0; tile < grid.count(); tile += random.integer(1, 50)) {
      const int row = tile_of(shape, tile, grid, 1).major;
      bool apart = true;
      for (int other = tile + blocks; other < std::min(grid.count(), tile + 3 * blocks); ++other) {
        apart = apart && tile_of(shape, other, grid, 1).major != row;
      }
      REQUIRE(apart);
    }
    const RowBytesScratch scratch = row_bytes_scratch(m, n);
    CHECK(scratch.gate_bytes >= static_cast<std::size_t>(grid.majors) * 4 * 2 * sizeof(unsigned));
    CHECK(scratch.largest_bytes >=
          static_cast<std::size_t>(grid.count()) * shape.major * sizeof(float));
  }
}
