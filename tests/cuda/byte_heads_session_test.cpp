// Sessions whose products write queries and keys as bytes answer with the CPU's bits, and do so
// where they should: from a number of rows on, for heads of 32 and 64 elements.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include "engine/backends/cuda/executor.h"
#include "engine/runtime/batch.h"
#include "tests/cuda/gpu_support.h"
#include "tests/cuda/session_support.h"

namespace {

using qe::ActivationScheme;
using qe::test::compile_for;
using qe::test::kGpu;
using qe::test::TinyBatch;
using qe::test::TinyCheckpoint;
using qe::test::TinyShape;

constexpr int kLeastRows = 256;

class Runner {
 public:
  Runner(std::shared_ptr<const qe::Plan> plan, const qe::cuda::GpuExecutorOptions& options)
      : plan_(std::move(plan)),
        texts_(plan_->max_tokens()),
        executor_(dynamic_cast<const qe::cuda::GpuProgram&>(*plan_->impl().program), options) {}

  // Whether the CPU's bits come of it.
  bool answers(const TinyBatch& batch, const std::vector<float>& expected) {
    std::vector<float> logits(expected.size());
    executor_.run(texts_.of(qe::test::view(batch)), logits, {});
    return qe::test::same_bits(logits, expected);
  }
  int byte_head_launches() const { return executor_.byte_head_launches(); }

 private:
  std::shared_ptr<const qe::Plan> plan_;
  qe::BatchInputs texts_;
  qe::cuda::GpuExecutor executor_;
};

std::vector<int> lengths_of(int tokens) {
  std::vector<int> lengths;
  for (int next = 7; tokens > 0; next = next % 37 + 3) {
    lengths.push_back(next < tokens ? next : tokens);
    tokens -= lengths.back();
  }
  return lengths;
}

// Launches that are expected of the layers before the last, which has queries of its own, in a
// large batch; of what kernel a large GPU chooses for so little nothing is promised.
void check(const TinyShape& shape, int expected) {
  CAPTURE(shape.hidden);
  CAPTURE(shape.heads);
  const qe::Checkpoint checkpoint =
      qe::test::quantized(TinyCheckpoint(shape).bert(), ActivationScheme::kDynamic);
  const auto cpu = compile_for(checkpoint, {}, 512, 64);
  const auto gpu = compile_for(checkpoint, kGpu, 512, 64);
  const TinyBatch few(lengths_of(150), shape.vocab, 1);
  const TinyBatch many(lengths_of(401), shape.vocab, 2);
  const TinyBatch fewer(lengths_of(385), shape.vocab, 3);  // in the graph of `many`
  const std::vector<float> expected_few = qe::test::run(cpu, few);
  const std::vector<float> expected_many = qe::test::run(cpu, many);
  const std::vector<float> expected_fewer = qe::test::run(cpu, fewer);
  for (const bool overlap : {true, false}) {
    Runner runner(gpu, {.overlap = overlap, .least_byte_head_rows = kLeastRows});
    CHECK(runner.answers(few, expected_few));
    CHECK(runner.byte_head_launches() == 0);
    CHECK(runner.answers(many, expected_many));
    const int launches = runner.byte_head_launches();
    if (qe::test::emulated()) CHECK(launches == expected);
    CHECK(runner.answers(fewer, expected_fewer));
    CHECK(runner.answers(few, expected_few));
    CHECK(runner.answers(many, expected_many));
  }
  Runner usual(gpu, {});
  CHECK(usual.answers(many, expected_many));
  CHECK(usual.byte_head_launches() == 0);
}

}  // namespace

TEST_CASE("queries and keys as bytes give the CPU's bits") {
  check({.layers = 3, .hidden = 64, .heads = 2}, 2);
  check({.layers = 3, .hidden = 128, .heads = 2}, 2);
}

TEST_CASE("heads of other widths stay floats") {
  check({.layers = 2, .hidden = 96, .heads = 2}, 0);
  check({.layers = 2, .hidden = 48, .heads = 3}, 0);
}
