// The choice of a kernel and of depth parts, for shapes and GPUs at random: always one that can
// compute the product in the memory there is.
#include <doctest/doctest.h>

#include <cstdint>

#include "kernels/cuda/kernel_list.h"
#include "tests/kernels/kernel_test.h"

namespace {

using namespace qe::kernels::cuda;

constexpr int kShared80 = 99 * 1024;  // of a block, the least of all GPUs from 8.0 on
constexpr int kShared90 = 227 * 1024;

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
      const Choice choice = choose_kernel(m, n, k, multiprocessors, has_wgmma);
      REQUIRE((choice.kernel >= 0 && choice.kernel < kKernelCount));
      const KernelShape& shape = kKernels[choice.kernel];
      CHECK((shape.family == Family::kWgmma) == has_wgmma);
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

TEST_CASE("few rows take swapped kernels, many rows large tiles") {
  CHECK(kKernels[choose_kernel(1, 3072, 768, 132, true).kernel].swapped);
  CHECK(kKernels[choose_kernel(16, 4096, 1024, 132, true).kernel].swapped);
  const KernelShape& large = kKernels[choose_kernel(8192, 8192, 8192, 132, true).kernel];
  CHECK(large.major * large.minor >= 128 * 128);
  CHECK_FALSE(valid_splits(kKernels[0], 128, 128, 100, 2, 132));  // one step of depth
  CHECK_FALSE(valid_splits(kKernels[0], 128, 128, 4096, kMostSplits + 1, 132));
}
