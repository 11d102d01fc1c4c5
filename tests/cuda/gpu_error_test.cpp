// What goes wrong on a GPU: memory that is not there, and an error in the middle of a stream, after
// which the process goes on.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <qe/cuda/gemm.h>
#include <qe/error.h>

#include "tests/cuda/gpu_support.h"

namespace {

using qe::test::DeviceArray;

constexpr int kSize = 64;

// A product of ones; the sums are kSize.
struct Ones {
  DeviceArray<std::uint8_t> a{std::vector<std::uint8_t>(kSize * kSize, 1)};
  DeviceArray<std::int8_t> w{std::vector<std::int8_t>(kSize * kSize, 1)};
  DeviceArray<float> scale{std::vector<float>(kSize, 1.0F)};
  DeviceArray<float> out{std::vector<float>(kSize * kSize)};

  qe::GemmWeights weights() const { return {.w = w.data(), .ld = kSize, .n = kSize, .k = kSize}; }
  qe::GemmOperands operands() const {
    return {.a = a.data(),
            .lda = kSize,
            .m = kSize,
            .column_scale = scale.data(),
            .out = out.data(),
            .out_type = qe::Element::kF32,
            .ld_out = kSize};
  }
};

void check_works() {
  const Ones ones;
  qe::cuda::Gemm gemm(0);
  gemm.run(ones.weights(), ones.operands(), nullptr);
  qe::cuda::synchronize(nullptr);
  CHECK(ones.out.read() == std::vector<float>(kSize * kSize, static_cast<float>(kSize)));
}

}  // namespace

TEST_CASE("refused arguments launch nothing") {
  const Ones ones;
  qe::cuda::Gemm gemm(0);
  qe::GemmOperands misaligned = ones.operands();
  misaligned.out = ones.out.data() + 1;
  CHECK_THROWS_AS(gemm.run(ones.weights(), misaligned, nullptr), qe::UsageError);
  CHECK_THROWS_AS(gemm.run(ones.weights(), ones.operands(), nullptr, {.index = 99}),
                  qe::UsageError);
  CHECK_THROWS_AS(gemm.run(ones.weights(), ones.operands(), nullptr, {.index = 0, .splits = 5}),
                  qe::UsageError);
  CHECK_THROWS_AS(qe::cuda::Gemm(1000), qe::UsageError);
  qe::cuda::synchronize(nullptr);
  CHECK(ones.out.read() == std::vector<float>(kSize * kSize));
}

TEST_CASE("too little memory is refused before anything is allocated, with both figures") {
  std::vector<void*> blocks;
  // Smaller and smaller blocks, until less is left than a Gemm needs.
  for (std::size_t bytes = std::size_t{1} << 36; bytes >= std::size_t{1} << 20; bytes /= 2) {
    for (void* block = nullptr; cudaMalloc(&block, bytes) == cudaSuccess;) blocks.push_back(block);
    static_cast<void>(cudaGetLastError());
  }
  std::string message;
  try {
    const qe::cuda::Gemm gemm(0);
  } catch (const qe::ResourceError& error) {
    message = error.detail().expected + " " + error.detail().actual;
  }
  for (void* block : blocks) qe::test::require(cudaFree(block));
  CHECK(message.find("bytes free") != std::string::npos);
  check_works();
}

// Last, and by itself under memcheck: it makes the error that memcheck looks for. On the host the
// pointer would end the process (tests/cuda/simt/runtime_test.cpp has the same another way).
TEST_CASE("an error in the middle of a stream is typed, and a new context works" *
          doctest::skip(qe::test::emulated())) {
  {
    const Ones ones;
    qe::cuda::Gemm gemm(0);
    qe::GemmOperands wrong = ones.operands();
    wrong.out = reinterpret_cast<void*>(std::uintptr_t{0x10000});  // memory of nobody
    gemm.run(ones.weights(), wrong, nullptr);
    CHECK_THROWS_AS(qe::cuda::synchronize(nullptr), qe::DeviceError);
    CHECK_THROWS_AS(gemm.run(ones.weights(), ones.operands(), nullptr), qe::DeviceError);
  }
  qe::cuda::reset_device(0);
  check_works();
}
