// Blocks that wait for each other on GPUs of many sizes: where the rule says they can, none waits
// for ever, also where the grid just holds the tiles of the same rows.
#include <doctest/doctest.h>

#include <cuda_runtime_api.h>

#include <algorithm>

#include "kernels/cuda/row_bytes_plan.h"
#include "tests/cuda/gpu_support.h"
#include "tests/cuda/row_bytes_problem.h"
#include "tests/cuda/simt/machine_scope.h"

namespace {

using namespace qe::kernels::cuda;  // NOLINT(google-build-using-namespace)
using qe::test::RowBytesProblem;
using qe::test::ShapeRandom;

}  // namespace

TEST_CASE("tiles of the same rows meet on grids of every size that holds them") {
  ShapeRandom random(qe::test::test_seed(20260312));
  const int rounds = std::max(1, qe::test::shape_count(60) / 30);
  int met = 0;
  int at_the_limit = 0;
  for (int round = 0; round < rounds; ++round) {
    for (const int multiprocessors : {2, 4, 6, 8, 10, 12, 14, 16}) {
      const qe::test::MachineScope scope;
      scope.machine.multiprocessors = multiprocessors;
      scope.machine.seed = static_cast<std::uint64_t>(random.integer(1, 1000));
      const qe::cuda::ProductKernels products(qe::cuda::usable_device(0));
      for (int kernel = 0; kernel < kKernelCount; ++kernel) {
        const int tiles = random.integer(1, multiprocessors / 2);
        const int n = std::max(1, tiles * 128 - random.integer(0, 127));
        if (!products.makes_row_bytes(kernel, n)) continue;
        const KernelShape& shape = kKernels[kernel];
        const int resident = multiprocessors / shape.cluster() * shape.cluster();
        const int span = shape.cluster_major * tile_grid(shape, 1, n).minors;
        CAPTURE(multiprocessors);
        const int m = random.integer(129, 700);
        const RowBytesProblem problem({.m = m, .n = n, .k = random.integer(1, 300), .rows = m},
                                      random);
        REQUIRE_MESSAGE(problem.same_on(products, kernel), problem.describe(kernel));
        ++met;
        at_the_limit += span == resident ? 1 : 0;
      }
    }
  }
  CHECK(met >= 8);
  CHECK(at_the_limit >= 1);
}

TEST_CASE("a grid that is not there at once is refused") {
  const qe::test::MachineScope scope;
  scope.machine.multiprocessors = 8;
  const qe::cuda::ProductKernels products(qe::cuda::usable_device(0));
  scope.machine.multiprocessors = 4;  // less than what the kernels were prepared for
  ShapeRandom random(1);
  const RowBytesProblem problem({.m = 1024, .n = 128, .k = 64, .rows = 1024}, random);
  const auto choice = products.choose_row_bytes(1024, 128, 64);
  REQUIRE(choice);
  CHECK_THROWS_WITH(problem.same_on(products, choice->kernel),
                    "too many blocks in cooperative launch");
}
