// What goes wrong around a GPU, made to happen on the stand-in for the CUDA runtime: missing and
// old drivers, old devices, allocations that fail one after the other, a device lost in the middle.
#include <doctest/doctest.h>

#include <cuda_runtime_api.h>

#include <string>
#include <thread>
#include <vector>

#include <qe/cuda/gemm.h>
#include <qe/error.h>

#include "engine/backends/cuda/product.h"
#include "tests/cuda/gpu_support.h"
#include "tests/cuda/simt/machine_scope.h"

namespace {

using qe::test::MachineScope;

void multiply_ones() {
  const qe::test::DeviceArray a(std::vector<std::uint8_t>(32 * 32, 1));
  const qe::test::DeviceArray w(std::vector<std::int8_t>(32 * 32, 1));
  const qe::test::DeviceArray scale(std::vector<float>(32, 1.0F));
  const qe::test::DeviceArray out(std::vector<float>(32 * 32));
  qe::cuda::Gemm gemm(0);
  gemm.run({.w = w.data(), .ld = 32, .n = 32, .k = 32},
           {.a = a.data(),
            .lda = 32,
            .m = 32,
            .column_scale = scale.data(),
            .out = out.data(),
            .out_type = qe::Element::kF32,
            .ld_out = 32},
           nullptr);
  qe::cuda::synchronize(nullptr);
  CHECK(out.read() == std::vector<float>(32 * 32, 32.0F));
}

}  // namespace

TEST_CASE("no driver, an old driver, no device, an old device") {
  const MachineScope scope;
  scope.machine.driver_version = 0;
  CHECK_THROWS_AS(qe::cuda::devices(), qe::DeviceError);
  scope.machine.driver_version = 12080;
  CHECK_THROWS_AS(qe::cuda::devices(), qe::DeviceError);
  scope.machine = scope.before;
  scope.machine.devices = 0;
  CHECK_THROWS_AS(qe::cuda::devices(), qe::DeviceError);
  scope.machine = scope.before;
  scope.machine.major = 7;
  CHECK_FALSE(qe::cuda::devices().at(0).usable);
  CHECK_THROWS_AS(qe::cuda::usable_device(0), qe::DeviceError);
  CHECK_THROWS_AS(qe::cuda::usable_device(1), qe::UsageError);
}

TEST_CASE("a product's object gives everything back, whichever allocation fails") {
  const MachineScope scope;
  int failed = 0;
  for (int point = 1;; ++point) {
    scope.machine.failing_allocation = point;
    try {
      const qe::cuda::Gemm gemm(0);
      break;
    } catch (const qe::ResourceError&) {
      ++failed;
    } catch (const qe::DeviceError&) {
      ++failed;
    }
    CHECK(qe::simt::allocated_bytes() == 0);
    CHECK(qe::simt::allocated_objects() == 0);
  }
  CHECK(failed == 2);  // its memory, and the stream that clears it
  CHECK(qe::simt::allocated_bytes() == 0);
}

TEST_CASE("a GPU without the instructions of 9.0 takes the portable kernels") {
  const MachineScope scope;
  scope.machine.major = 8;
  const qe::cuda::Gemm gemm(0);
  for (const qe::cuda::GemmKernel kernel : gemm.kernels(100, 100, 100)) {
    CHECK(qe::cuda::kernel_name(kernel.index).substr(0, 3) == "mma");
  }
  multiply_ones();
}

TEST_CASE("a thread without a context gets the driver's own error from a launch") {
  const qe::cuda::ProductKernels kernels(qe::cuda::usable_device(0));
  const auto choice = kernels.choose(4096, 4096, 4096);
  REQUIRE(std::string(qe::cuda::kernel_name(choice.kernel)).starts_with("wgmma"));
  int error = cudaSuccess;
  std::thread([&] {
    error = kernels.launch({.m = 4096}, {.ld = 4096, .n = 4096, .k = 4096}, nullptr, choice,
                           nullptr, nullptr);
  }).join();
  CHECK(error == cudaErrorDeviceUninitialized);
}

TEST_CASE("a device lost in the middle of its work is a typed error, and a new context works") {
  const MachineScope scope;
  scope.machine.lose_next_kernel = true;
  CHECK_THROWS_AS(multiply_ones(), qe::DeviceError);
  CHECK_THROWS_AS(qe::cuda::Gemm(0), qe::DeviceError);
  qe::cuda::reset_device(0);
  multiply_ones();
}

TEST_CASE("a device that no reset brings back is a typed error that asks for another process") {
  const MachineScope scope;
  scope.machine.lose_next_kernel = true;
  scope.machine.lost_for_good = true;
  CHECK_THROWS_AS(multiply_ones(), qe::DeviceError);
  std::string expected;
  try {
    qe::cuda::reset_device(0);
  } catch (const qe::DeviceError& error) {
    expected = error.detail().expected;
  }
  CHECK(expected == "the process to be started again");
  CHECK_THROWS_AS(qe::cuda::Gemm(0), qe::DeviceError);
  scope.machine.lost_for_good = false;
  qe::cuda::reset_device(0);
  multiply_ones();
}

TEST_CASE("only a GPU that is there is reset") {
  const qe::test::DeviceArray kept(std::vector<int>(4));
  const MachineScope scope;
  CHECK_THROWS_AS(qe::cuda::reset_device(1), qe::UsageError);
  CHECK_THROWS_AS(qe::cuda::reset_device(-1), qe::UsageError);
  CHECK(qe::simt::allocated_bytes() > 0);
  scope.machine.devices = 0;
  CHECK_THROWS_AS(qe::cuda::reset_device(0), qe::DeviceError);
}
