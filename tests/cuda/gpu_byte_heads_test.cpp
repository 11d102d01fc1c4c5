// Queries and keys that a product writes as bytes, against its floats quantized one by one: the
// same bits, on every kernel that can. QE_TEST_SHAPES sets the number of random products,
// QE_TEST_SEED their seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "engine/backends/cuda/memory.h"
#include "engine/backends/cuda/product.h"
#include "engine/backends/cuda/runtime.h"
#include "tests/cuda/byte_rows.h"
#include "tests/cuda/gemm_arrays.h"
#include "tests/cuda/gpu_support.h"
#include "tests/kernels/shape_random.h"

namespace {

using qe::kernels::cuda::ByteHeads;
using qe::kernels::cuda::Choice;
using qe::kernels::cuda::kKernelCount;
using qe::kernels::cuda::kKernels;
using namespace qe::test;  // NOLINT(google-build-using-namespace)

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kPattern = -12345.0F;

bool same_bits(const std::vector<float>& a, const std::vector<float>& b, std::size_t at,
               std::size_t count) {
  return std::memcmp(a.data() + at, b.data() + at, count * sizeof(float)) == 0;
}

struct Sizes {
  int m, rows, heads, head_dim, k, ld_out;
  int width() const { return heads * head_dim; }
};

// A product of random operands, rows and columns of which are not finite or next to nothing.
class HeadsProblem {
 public:
  HeadsProblem(const Sizes& sizes, ShapeRandom& random) : sizes_(sizes) {
    const int n = 3 * sizes.width();
    arrays_.a.resize(static_cast<std::size_t>(sizes.m) * static_cast<std::size_t>(lda()));
    random.fill(std::span(arrays_.a));
    arrays_.w.resize(static_cast<std::size_t>(n) * static_cast<std::size_t>(lda()));
    for (std::int8_t& w : arrays_.w) w = static_cast<std::int8_t>(random.integer(-128, 127));
    for (int i = 0; i < n; ++i) {
      arrays_.offset.push_back(random.integer(-100000, 100000));
      arrays_.scale.push_back(0.0001F * static_cast<float>(random.integer(1, 100)));
      arrays_.bias.push_back(random.chance(100) ? special(random)
                                                : static_cast<float>(random.integer(-9, 9)));
      arrays_.weight_sum.push_back(0.1F * static_cast<float>(random.integer(-50, 50)));
    }
    for (int i = 0; i < sizes.m; ++i) {
      const bool odd = random.chance(8);
      arrays_.row_scale.push_back(odd ? special(random) : 0.01F * static_cast<float>(i % 50 + 1));
      arrays_.row_floor.push_back(odd && random.chance(2) ? special(random) : -0.5F);
    }
  }

  std::vector<float> run(const qe::cuda::ProductKernels& kernels, std::byte* scratch, Choice choice,
                         const ByteHeads& heads) const {
    const DeviceGemmArrays device(arrays_);
    const DeviceArray rows(std::vector<std::int32_t>{sizes_.rows});
    const DeviceArray out(pattern());
    qe::GemmOperands operands = device.operands();
    operands.lda = lda();
    operands.m = sizes_.m;
    operands.out = out.data();
    operands.out_type = qe::Element::kF32;
    operands.ld_out = sizes_.ld_out;
    const qe::GemmWeights weights{
        .w = device.weights(), .ld = lda(), .n = 3 * sizes_.width(), .k = sizes_.k};
    require(static_cast<cudaError_t>(
        kernels.launch(operands, weights, rows.data(), choice, scratch, {}, heads)));
    require(cudaDeviceSynchronize());
    return out.read();
  }

  std::vector<float> pattern() const {
    return std::vector<float>(static_cast<std::size_t>(sizes_.m * sizes_.ld_out), kPattern);
  }
  int lda() const { return (sizes_.k + 15) / 16 * 16; }

 private:
  static float special(ShapeRandom& random) {
    static constexpr float kValues[] = {kInf, -kInf, kNan, 0.0F, 0x1p-126F, 3e38F, 1e-35F};
    return kValues[random.integer(0, 6)];
  }

  Sizes sizes_;
  GemmArrays arrays_;
};

// What a launch of floats left, as one of byte heads leaves it.
std::vector<float> expected_rows(const std::vector<float>& floats, const Sizes& sizes,
                                 const ByteHeads& heads, std::vector<float> start) {
  for (int row = 0; row < sizes.rows; ++row) {
    const auto at = static_cast<std::ptrdiff_t>(row) * sizes.ld_out;
    quantize_heads(floats.data() + at, heads, start.data() + at);
    const auto values = static_cast<std::ptrdiff_t>(heads.columns);
    std::copy(floats.begin() + at + values, floats.begin() + at + sizes.ld_out,
              start.begin() + at + values);
  }
  return start;
}

bool same_rows(const std::vector<float>& found, const std::vector<float>& expected,
               const Sizes& sizes, const ByteHeads& heads) {
  const int scales = first_head_scale(heads);
  const int values = heads.columns;
  for (int row = 0; row < sizes.m; ++row) {
    const auto at = static_cast<std::size_t>(row) * static_cast<std::size_t>(sizes.ld_out);
    if (!same_bits(found, expected, at, static_cast<std::size_t>(scales))) return false;
    for (int i = scales; i < sizes.ld_out; ++i) {  // a NaN is a NaN
      const float x = found[at + static_cast<std::size_t>(i)];
      const float y = expected[at + static_cast<std::size_t>(i)];
      if (i >= values && std::isnan(x) && std::isnan(y)) continue;
      if (std::bit_cast<std::uint32_t>(x) != std::bit_cast<std::uint32_t>(y)) return false;
    }
  }
  return true;
}

Sizes random_sizes(ShapeRandom& random) {
  const int head_dim = random.chance(2) ? 32 : 64;
  const int heads = random.integer(1, 256 / head_dim);
  const int m = std::min(random.integer(1, 300), random.integer(1, 300));
  return {.m = m,
          .rows = random.chance(3) ? random.integer(0, m) : m,
          .heads = heads,
          .head_dim = head_dim,
          .k = std::min(random.integer(1, 600), random.integer(1, 600)),
          .ld_out = 3 * heads * head_dim + 16 * random.integer(0, 2)};
}

// On every kernel that can, with a random split of the depth where there is one.
int check_kernels(const Sizes& sizes, const HeadsProblem& problem,
                  const qe::cuda::ProductKernels& kernels, std::byte* scratch,
                  ShapeRandom& random) {
  const ByteHeads heads{.columns = 2 * sizes.width(), .head_dim = sizes.head_dim};
  const int n = 3 * sizes.width();
  int checked = 0;
  for (int kernel = 0; kernel < kKernelCount; ++kernel) {
    Choice choice{.kernel = kernel, .splits = random.integer(1, 4)};
    if (!kernels.valid(choice, sizes.m, n, sizes.k)) choice.splits = 1;
    if (!kernels.valid(choice, sizes.m, n, sizes.k) ||
        !holds_heads(kKernels[kernel], sizes.head_dim)) {
      continue;
    }
    const std::vector<float> floats = problem.run(kernels, scratch, choice, {});
    const std::vector<float> expected = expected_rows(floats, sizes, heads, problem.pattern());
    CHECK_MESSAGE(same_rows(problem.run(kernels, scratch, choice, heads), expected, sizes, heads),
                  kKernels[kernel].name << " splits " << choice.splits << " m " << sizes.m
                                        << " rows " << sizes.rows << " heads " << sizes.heads
                                        << " of " << sizes.head_dim << " k " << sizes.k);
    ++checked;
  }
  return checked;
}

}  // namespace

TEST_CASE("GPU: products write queries and keys as bytes") {
  const auto seed = test_seed(20260117);
  const int count = std::max(12, shape_count(3000) / 5);
  MESSAGE("seed " << seed << ", " << count << " products");
  ShapeRandom random(seed);
  const qe::cuda::Device device = qe::cuda::usable_device(0);
  const qe::cuda::ProductKernels kernels(device);
  const qe::cuda::DeviceMemory scratch =
      qe::cuda::allocate_zeroed(0, kernels.scratch_bytes(), "partial sums");
  int checked = 0;
  for (int i = 0; i < count; ++i) {
    CAPTURE(i);
    const Sizes sizes = random_sizes(random);
    const HeadsProblem problem(sizes, random);
    checked += check_kernels(sizes, problem, kernels, scratch.get(), random);
  }
  CHECK(checked > count);
}

TEST_CASE("kernels that hold a row of a head in four lanes") {
  int of_32 = 0;
  int of_64 = 0;
  for (const auto& shape : kKernels) {
    if (shape.swapped) CHECK(!holds_heads(shape, 32));
    CHECK(!holds_heads(shape, 48));
    CHECK(!holds_heads(shape, 128));
    if (holds_heads(shape, 64)) CHECK(holds_heads(shape, 32));
    of_32 += holds_heads(shape, 32) ? 1 : 0;
    of_64 += holds_heads(shape, 64) ? 1 : 0;
  }
  CHECK(of_32 == 9);
  CHECK(of_64 == 6);
}
