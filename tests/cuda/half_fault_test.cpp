// What can go wrong under a session in halves, made to happen by the host's stand-ins for CUDA and
// cuBLASLt.
#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <qe/cuda/session.h>

#include "tests/cuda/failing_allocations.h"
#include "tests/cuda/session_support.h"

namespace {

using qe::simt::allocated_bytes;
using qe::simt::half_library;
using qe::test::compile_for;
using qe::test::kGpu;
using qe::test::TinyBatch;
using qe::test::TinyCheckpoint;

const qe::test::TinyShape kShape{.layers = 1};

}  // namespace

TEST_CASE("a missing cuBLASLt is named, and models in integers do without it") {
  const qe::Checkpoint floats = TinyCheckpoint(kShape).bert();
  const std::size_t bytes = allocated_bytes();
  half_library().missing = true;
  std::string name;
  try {
    compile_for(floats, kGpu);
  } catch (const qe::DeviceError& error) {
    name = error.detail().name;
  }
  CHECK(name.find("libcublasLt") != std::string::npos);
  CHECK_NOTHROW(compile_for(qe::test::quantized(floats, qe::ActivationScheme::kDynamic), kGpu));
  half_library().missing = false;
  CHECK(allocated_bytes() == bytes);
  CHECK_NOTHROW(compile_for(floats, kGpu));
}

TEST_CASE("a product that cuBLASLt does not have is an error, and the session stays usable") {
  const TinyBatch batch({3, 17}, kShape.vocab, 1);
  const auto plan = compile_for(TinyCheckpoint(kShape).bert(), kGpu);
  qe::Session session(plan, {});
  half_library().supports_products = false;
  CHECK_THROWS_AS(session.run(qe::test::view(batch)), qe::DeviceError);
  half_library().supports_products = true;
  CHECK(qe::test::same_bits(qe::test::run(session, batch), qe::test::run(plan, batch)));
}

TEST_CASE("an unexpected status of cuBLASLt is in the message") {
  const TinyBatch batch({3, 17}, kShape.vocab, 1);
  qe::Session session(compile_for(TinyCheckpoint(kShape).bert(), kGpu), {});
  half_library().product_status = CUBLAS_STATUS_EXECUTION_FAILED;
  std::string actual;
  try {
    qe::test::run(session, batch);
  } catch (const qe::DeviceError& error) {
    actual = error.detail().actual;
  }
  half_library().product_status = CUBLAS_STATUS_SUCCESS;
  CHECK(actual == "cuBLASLt's status 13");
  CHECK_NOTHROW(qe::test::run(session, batch));
}

TEST_CASE("halves: each allocation may fail, nothing is left behind, and the next try works") {
  const qe::Checkpoint checkpoint = TinyCheckpoint(kShape).bert();
  const TinyBatch batch({3, 17}, kShape.vocab, 1);
  const std::vector<float> expected = qe::test::run(compile_for(checkpoint, kGpu), batch);
  // As many as a session in integers.
  CHECK(qe::test::check_failing_allocations(checkpoint, batch, expected) >= 10);
}
