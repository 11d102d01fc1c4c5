// Refusals: every branch of the checks on arguments, drivers, devices and memory, with the types
// and words a caller sees; and what a machine without a GPU answers.
#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

#include <qe/cuda/device.h>
#include <qe/cuda/gemm.h>
#include <qe/error.h>

#include "engine/backends/cuda/device_checks.h"
#include "engine/backends/cuda/shared_library.h"
#include "engine/backends/gemm_checks.h"

namespace {

using qe::GemmOperands;
using qe::GemmWeights;

// A product without fault, 4 x 16 x 32.
struct Valid {
  alignas(16) std::int8_t w[16 * 32] = {};
  alignas(16) std::uint8_t a[4 * 32] = {};
  alignas(16) float out[4 * 16] = {};
  alignas(16) float columns[17] = {};
  alignas(16) std::int32_t offsets[17] = {};
  std::uint8_t table[256] = {};
  GemmWeights weights{.w = w, .ld = 32, .n = 16, .k = 32};
  GemmOperands operands{.a = a,
                        .lda = 32,
                        .m = 4,
                        .column_scale = columns,
                        .out = out,
                        .out_type = qe::Element::kF32,
                        .ld_out = 16};
};

template <class Change>
qe::ErrorDetail refusal(Change change) {
  Valid valid;
  change(valid);
  try {
    qe::check_operands(valid.weights, valid.operands);
    qe::check_alignment(valid.weights, valid.operands);
  } catch (const qe::UsageError& error) {
    return error.detail();
  }
  return {.problem = "none", .name = "none"};
}

template <class Change>
std::string refused(Change change) {
  return refusal(change).name;
}

}  // namespace

TEST_CASE("operands that contradict the contract are named") {
  CHECK(refused([](Valid&) {}) == "none");
  CHECK(refused([](Valid& v) { v.operands.m = 0; }) == "none");
  CHECK(refused([](Valid& v) { v.weights.n = 0; }) == "n");
  CHECK(refused([](Valid& v) { v.weights.k = 0; }) == "k");
  CHECK(refused([](Valid& v) { v.weights.k = 65794; }) == "k");
  CHECK(refused([](Valid& v) { v.weights.w = nullptr; }) == "w");
  CHECK(refused([](Valid& v) { v.weights.ld = 16; }) == "w.ld");
  CHECK(refused([](Valid& v) { v.operands.m = -1; }) == "m");
  CHECK(refused([](Valid& v) { v.operands.a_type = qe::Element::kF16; }) == "a_type");
  CHECK(refused([](Valid& v) { v.operands.a = nullptr; }) == "a");
  CHECK(refused([](Valid& v) { v.operands.lda = 31; }) == "lda");
  CHECK(refused([](Valid& v) { v.operands.column_scale = nullptr; }) == "column_scale");
  CHECK(refused([](Valid& v) { v.operands.out = nullptr; }) == "out");
  CHECK(refused([](Valid& v) { v.operands.ld_out = 15; }) == "ld_out");
  CHECK(refused([](Valid& v) { v.operands.row_floor = v.columns; }) == "column_weight_sum");
  CHECK(refused([](Valid& v) { v.operands.residual = v.out; }) == "ld_residual");
  CHECK(refused([](Valid& v) { v.operands.table = v.table; }) == "table");
  CHECK(refused([](Valid& v) {
          v.operands.out_type = qe::Element::kU8;
          v.operands.activation = qe::Activation::kRelu;
          v.operands.residual = v.out;
          v.operands.ld_residual = 16;
        }) == "residual");
}

TEST_CASE("misaligned operands of a GPU are named, with how far they are off") {
  CHECK(refused([](Valid& v) { v.weights.w += 1; }) == "w");
  CHECK(refused([](Valid& v) { v.weights.ld = 33; }) == "w.ld");
  CHECK(refused([](Valid& v) { v.operands.a = v.a + 4; }) == "a");
  CHECK(refused([](Valid& v) { v.operands.lda = 40; }) == "lda");
  CHECK(refused([](Valid& v) { v.operands.out = v.out + 1; }) == "out");
  CHECK(refused([](Valid& v) { v.operands.ld_out = 17; }) == "ld_out");
  CHECK(refused([](Valid& v) {
          v.operands.residual = v.out + 2;
          v.operands.ld_residual = 16;
        }) == "residual");
  CHECK(refused([](Valid& v) {
          v.operands.residual = v.out;
          v.operands.ld_residual = 17;
        }) == "ld_residual");
  CHECK(refused([](Valid& v) { v.operands.column_scale = v.columns + 1; }) == "column_scale");
  CHECK(refused([](Valid& v) { v.operands.bias = v.columns + 1; }) == "bias");
  CHECK(refused([](Valid& v) { v.operands.column_offset = v.offsets + 1; }) == "column_offset");
  CHECK(refused([](Valid& v) { v.operands.column_weight_sum = v.columns + 1; }) ==
        "column_weight_sum");
  const qe::ErrorDetail detail = refusal([](Valid& v) { v.operands.a = v.a + 4; });
  CHECK(detail.expected == "a multiple of 16 bytes");
  CHECK(detail.actual == "4 bytes past one");
}

TEST_CASE("drivers, devices and memory that will not do") {
  using namespace qe::cuda;
  CHECK_NOTHROW(check_driver(13000, 13000));
  CHECK_NOTHROW(check_driver(13000, 13020));  // minor versions do not matter
  CHECK_THROWS_WITH_AS(check_driver(0, 13000),
                       "there is no NVIDIA driver on this machine (expected one for CUDA 13.0)",
                       qe::DeviceError);
  CHECK_THROWS_WITH_AS(
      check_driver(12080, 13000),
      "the NVIDIA driver is too old (expected one for CUDA 13.0 or later, got CUDA 12.8)",
      qe::DeviceError);
  CHECK_NOTHROW(check_index(1, 2));
  CHECK_THROWS_WITH_AS(check_index(0, 0), "there is no NVIDIA GPU on this machine",
                       qe::DeviceError);
  CHECK_THROWS_WITH_AS(check_index(2, 2), "device: no such GPU (expected 0 to 1, got 2)",
                       qe::UsageError);
  CHECK_THROWS_AS(check_index(-1, 2), qe::UsageError);
  CHECK_NOTHROW(check_capability(0, "a", 8, 0));
  CHECK_NOTHROW(check_capability(0, "a", 12, 1));
  CHECK_THROWS_WITH_AS(check_capability(1, "Some GPU", 7, 5),
                       "device 1 (Some GPU): the GPU is too old (expected compute capability 8.0 "
                       "or later, got 7.5)",
                       qe::DeviceError);
  CHECK_NOTHROW(check_memory(5, 5, "sums"));
  CHECK_THROWS_WITH_AS(check_memory(6, 5, "sums"),
                       "sums: not enough GPU memory (expected 6 bytes, got 5 bytes free)",
                       qe::ResourceError);
}

TEST_CASE("without a GPU every entry refuses with a typed error, and the process lives on") {
  bool device = true;
  try {
    qe::cuda::usable_device(0);
  } catch (const qe::DeviceError& error) {
    device = false;
    const std::string message = error.what();
    CHECK((message.find("QE_CUDA") != std::string::npos) == !qe::cuda::built());
  }
  if (device) {
    MESSAGE("skipped: there is a GPU");
    return;
  }
  CHECK_THROWS_AS(qe::cuda::devices(), qe::DeviceError);
  CHECK_THROWS_AS(qe::cuda::Gemm(0), qe::DeviceError);
  CHECK_THROWS_AS(qe::cuda::Gemm(99), qe::DeviceError);
  CHECK_THROWS_AS(qe::cuda::reset_device(0), qe::DeviceError);
  CHECK_THROWS_AS(qe::cuda::synchronize(nullptr), qe::DeviceError);
  CHECK_THROWS_AS(qe::cuda::devices(), qe::DeviceError);
}

TEST_CASE("kernels have names") {
  CHECK(qe::cuda::kernel_name(0).empty() == !qe::cuda::built());
  CHECK(qe::cuda::kernel_name(-1).empty());
  CHECK(qe::cuda::kernel_name(1000).empty());
}

TEST_CASE("a library or a function that is missing is named") {
  const auto detail = [](const auto& load) {
    try {
      load();
    } catch (const qe::DeviceError& error) {
      return error.detail();
    }
    return qe::ErrorDetail{};
  };
  const qe::ErrorDetail library = detail([] { qe::cuda::SharedLibrary("libof-nothing.so.1"); });
  CHECK(library.name == "libof-nothing.so.1");
  CHECK(library.actual.find("libof-nothing.so.1") != std::string::npos);
  const qe::cuda::SharedLibrary math("libm.so.6");
  double (*cosine)(double) = nullptr;
  math.find(cosine, "cos");
  CHECK(cosine(0.0) == 1.0);
  const qe::ErrorDetail function = detail([&] { math.find(cosine, "no_such_function"); });
  CHECK(function.name == "libm.so.6");
  CHECK(function.expected == "no_such_function");
}
