// Products that make bytes of whole rows where they compute them, bit for bit as the product of
// floats and the quantization of its rows. QE_TEST_SHAPES sets the number of random products,
// QE_TEST_SEED their seed.
#include <doctest/doctest.h>

#include <algorithm>

#include "kernels/cuda/row_bytes_plan.h"
#include "tests/cuda/gpu_support.h"
#include "tests/cuda/row_bytes_problem.h"

namespace {

using namespace qe::kernels::cuda;  // NOLINT(google-build-using-namespace)
using qe::test::RowBytesProblem;
using qe::test::ShapeRandom;

std::vector<int> kernels_for(const qe::cuda::ProductKernels& products, int n) {
  std::vector<int> kernels;
  for (int kernel = 0; kernel < kKernelCount; ++kernel) {
    if (products.makes_row_bytes(kernel, n)) kernels.push_back(kernel);
  }
  return kernels;
}

}  // namespace

TEST_CASE("rows quantized in registers give the bytes of rows quantized from memory") {
  const qe::cuda::Device device = qe::cuda::usable_device(0);
  const qe::cuda::ProductKernels products(device);
  if (!products.choose_row_bytes(1, 1, 1)) {
    MESSAGE("skipped: this GPU has none of the kernels");
    return;
  }
  const std::uint64_t seed = qe::test::test_seed(20260311);
  const int count = qe::test::shape_count(2000) / 5;
  MESSAGE("seed " << seed << ", " << count << " products");
  ShapeRandom random(seed);
  const int widest = qe::test::emulated() ? 256 : 4096;
  const int deepest = qe::test::emulated() ? 200 : 1100;
  for (int i = 0; i < count; ++i) {
    const int m = std::min(random.integer(1, 1200), random.integer(1, 1200));
    // Among few columns the largest is negative, less than what lies beyond them.
    const int n = random.integer(1, random.chance(4) ? 3 : widest);
    const int rows = random.chance(3) ? random.integer(0, m) : m;
    const RowBytesProblem problem({.m = m, .n = n, .k = random.integer(1, deepest), .rows = rows},
                                  random);
    const std::vector<int> kernels = kernels_for(products, n);
    REQUIRE_FALSE(kernels.empty());
    const int kernel =
        kernels[static_cast<std::size_t>(random.integer(0, static_cast<int>(kernels.size()) - 1))];
    REQUIRE_MESSAGE(problem.same_on(products, kernel), problem.describe(kernel));
  }
}

TEST_CASE("widths whose tiles no grid holds side by side have no kernel") {
  const qe::cuda::ProductKernels products(qe::cuda::usable_device(0));
  CHECK_FALSE(products.choose_row_bytes(4096, 1 << 20, 768).has_value());
}
