// What can go wrong under a session, made to happen by the host's stand-in for CUDA: every
// allocation fails once, a batch is still under way, the device is lost in the middle.
#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <memory>

#include <qe/cuda/session.h>

#include "tests/cuda/failing_allocations.h"
#include "tests/cuda/session_support.h"

namespace {

using qe::ActivationScheme;
using qe::simt::machine;
using qe::test::compile_for;
using qe::test::kGpu;
using qe::test::TinyBatch;
using qe::test::TinyCheckpoint;
using qe::test::view;

const qe::test::TinyShape kShape{.layers = 1};

qe::Checkpoint model() {
  return qe::test::quantized(TinyCheckpoint(kShape).bert(), ActivationScheme::kDynamic);
}

// Kernels that begin before the one ahead of them has ended, in one replay of a batch of which the
// bits are checked, on the machine as it is now.
int begun_ahead(const qe::Checkpoint& checkpoint) {
  const TinyBatch batch({3, 17}, kShape.vocab, 1);
  qe::Session session(compile_for(checkpoint, kGpu), {});
  const int before = qe::simt::kernels_begun_ahead();
  CHECK(qe::test::same_bits(qe::test::run(session, batch),
                            qe::test::run(compile_for(checkpoint, {}), batch)));
  return qe::simt::kernels_begun_ahead() - before;
}

}  // namespace

TEST_CASE("all launches but the first overlap, where the GPU runs code that waits") {
  const qe::Checkpoint checkpoint = model();
  const qe::simt::Machine before = machine();
  CHECK(begun_ahead(checkpoint) ==
        static_cast<int>(compile_for(checkpoint, kGpu)->steps().size()) - 1);
  machine().major = 8;
  CHECK(begun_ahead(checkpoint) == 0);
  machine().major = 10;
  CHECK(begun_ahead(checkpoint) > 0);
  machine().ptx_version = 80;  // a newer GPU, and only code for older ones
  CHECK(begun_ahead(checkpoint) == 0);
  machine() = before;
}

TEST_CASE(
    "each allocation may fail: a typed error, nothing is left behind, and the next try works") {
  const qe::Checkpoint checkpoint = model();
  const TinyBatch batch({3, 17}, kShape.vocab, 1);
  const std::vector<float> expected = qe::test::run(compile_for(checkpoint, {}), batch);
  // Weights and session with a stream each, inputs, logits, stream, event, graph, executable graph.
  CHECK(qe::test::check_failing_allocations(checkpoint, batch, expected) >= 10);
  CHECK(qe::test::same_bits(qe::test::run(compile_for(checkpoint, kGpu), batch), expected));
}

TEST_CASE("a recording that fails leaves the session usable") {
  const auto plan = compile_for(model(), kGpu);
  const TinyBatch batch({3, 17}, kShape.vocab, 1);
  const std::vector<float> expected = qe::test::run(plan, batch);
  qe::Session session(plan, {});
  for (const int nth : {1, 2}) {
    machine().failing_allocation = nth;
    CHECK_THROWS_AS(session.run(view(batch)), qe::DeviceError);
    machine().failing_allocation = 0;
  }
  CHECK(qe::test::same_bits(qe::test::run(session, batch), expected));
}

TEST_CASE("a batch before the last one has passed is refused") {
  const auto plan = compile_for(model(), kGpu);
  qe::cuda::Session session(plan);
  const TinyBatch batch({3, 17}, kShape.vocab, 1);
  const auto logits = session.enqueue(view(batch), nullptr);
  CHECK_THROWS_AS(session.enqueue(view(batch), nullptr), qe::UsageError);
  session.wait();
  CHECK(qe::test::same_bits(logits, qe::test::run(plan, batch)));
  CHECK_NOTHROW(session.enqueue(view(batch), nullptr));
}

TEST_CASE("a device lost in the middle is typed, and after a reset a new plan works") {
  const qe::Checkpoint checkpoint = model();
  const TinyBatch batch({3, 17}, kShape.vocab, 1);
  {
    qe::Session session(compile_for(checkpoint, kGpu), {});
    machine().lose_next_kernel = true;
    CHECK_THROWS_AS(session.run(view(batch)), qe::DeviceError);
    CHECK_THROWS_AS(session.run(view(batch)), qe::DeviceError);
    CHECK_THROWS_AS(compile_for(checkpoint, kGpu), qe::DeviceError);
  }
  qe::cuda::reset_device(0);
  CHECK(qe::test::same_bits(qe::test::run(compile_for(checkpoint, kGpu), batch),
                            qe::test::run(compile_for(checkpoint, {}), batch)));
}
