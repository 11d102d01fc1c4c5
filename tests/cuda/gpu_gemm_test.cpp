// Every GPU kernel against the CPU reference, bit for bit: random shapes, strides, types, epilogues
// and depth parts. QE_TEST_SHAPES sets the number of random products, QE_TEST_SEED their seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include <qe/cuda/gemm.h>

#include "tests/cuda/gemm_problem.h"
#include "tests/cuda/gpu_support.h"

namespace {

using qe::test::DeviceArray;
using qe::test::GemmProblem;
using qe::test::random_gemm_shape;
using qe::test::ShapeRandom;

constexpr std::uint8_t kPattern = 0xA5;

void check(const GemmProblem& problem, qe::cuda::Gemm& gemm, qe::cuda::GemmKernel kernel,
           qe::cuda::Stream stream) {
  CHECK_MESSAGE(problem.same_on(gemm, kernel, stream), problem.describe(kernel));
}

struct StreamOwner {
  StreamOwner() { qe::test::require(cudaStreamCreate(&stream)); }
  ~StreamOwner() { static_cast<void>(cudaStreamDestroy(stream)); }
  StreamOwner(const StreamOwner&) = delete;
  StreamOwner& operator=(const StreamOwner&) = delete;
  cudaStream_t stream = nullptr;
};

}  // namespace

TEST_CASE("random products on every kernel give the reference's bits") {
  const std::uint64_t seed = qe::test::test_seed(20250117);
  const int count = qe::test::shape_count(12000);
  MESSAGE("seed " << seed << ", " << count << " products");
  ShapeRandom random(seed);
  qe::cuda::Gemm gemm(0);
  const StreamOwner owner;
  for (int i = 0; i < count; ++i) {
    // Small sizes more often; the edges of all tiles are reached.
    const int m = std::min(random.integer(1, 300), random.integer(1, 300));
    const int n = std::min(random.integer(1, 400), random.integer(1, 400));
    const int k = std::min(random.integer(1, 1100), random.integer(1, 1100));
    const GemmProblem problem(random_gemm_shape(m, n, k, random), random);
    const auto kernels = gemm.kernels(m, n, k);
    const auto pick = static_cast<std::size_t>(random.integer(0, static_cast<int>(kernels.size())));
    check(problem, gemm, pick < kernels.size() ? kernels[pick] : gemm.chosen(m, n, k),
          owner.stream);
  }
}

TEST_CASE("shapes of encoders on every kernel, all depth parts") {
  ShapeRandom random(11);
  qe::cuda::Gemm gemm(0);
  struct Size {
    int m, n, k;
  };
  const std::vector<Size> sizes =
      qe::test::emulated()
          ? std::vector<Size>{{33, 256, 768}, {16, 128, 3072}, {1, 192, 1024}}
          : std::vector<Size>{{128, 768, 768}, {128, 3072, 768},  {16, 768, 3072},
                              {1, 1024, 4096}, {1024, 2304, 768}, {333, 4096, 1024}};
  for (const auto& [m, n, k] : sizes) {
    const GemmProblem problem(random_gemm_shape(m, n, k, random), random);
    for (const qe::cuda::GemmKernel kernel : gemm.kernels(m, n, k)) {
      check(problem, gemm, kernel, nullptr);
    }
  }
}

TEST_CASE("no rows write nothing, and one object serves one product after the other") {
  ShapeRandom random(12);
  qe::cuda::Gemm gemm(0);
  const GemmProblem problem(random_gemm_shape(65, 100, 2000, random), random);
  for (int i = 0; i < 3; ++i) {
    for (const qe::cuda::GemmKernel kernel : gemm.kernels(65, 100, 2000)) {
      check(problem, gemm, kernel, nullptr);
    }
  }
  const std::vector<std::uint8_t> nothing(16, kPattern);
  const DeviceArray memory(nothing);
  const DeviceArray scale(std::vector<float>(16));
  gemm.run({.w = reinterpret_cast<const std::int8_t*>(memory.data()), .ld = 16, .n = 16, .k = 16},
           {.a = memory.data(),
            .lda = 16,
            .m = 0,
            .column_scale = scale.data(),
            .out = memory.data(),
            .ld_out = 16},
           nullptr);
  qe::cuda::synchronize(nullptr);
  CHECK(memory.read() == nothing);
}
