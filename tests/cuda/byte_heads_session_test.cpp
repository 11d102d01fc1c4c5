// Sessions whose products write queries and keys as bytes answer with the CPU's bits, and do so
// where they should: from a number of rows on, for heads of 32 and 64 elements.
#include <doctest/doctest.h>

#include <vector>

#include "tests/cuda/gpu_runner.h"
#include "tests/cuda/gpu_support.h"

namespace {

using qe::ActivationScheme;
using qe::test::compile_for;
using qe::test::GpuRunner;
using qe::test::kGpu;
using qe::test::TinyBatch;
using qe::test::TinyCheckpoint;
using qe::test::TinyShape;

constexpr int kLeastRows = 256;

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
    GpuRunner runner(gpu, {.overlap = overlap, .byte_heads_from = kLeastRows});
    CHECK(qe::test::same_bits(runner.run(few), expected_few));
    CHECK(runner.executor().byte_head_launches() == 0);
    CHECK(qe::test::same_bits(runner.run(many), expected_many));
    const int launches = runner.executor().byte_head_launches();
    if (qe::test::emulated()) CHECK(launches == expected);
    CHECK(qe::test::same_bits(runner.run(fewer), expected_fewer));
    CHECK(qe::test::same_bits(runner.run(few), expected_few));
    CHECK(qe::test::same_bits(runner.run(many), expected_many));
  }
  GpuRunner usual(gpu, {});
  CHECK(qe::test::same_bits(usual.run(many), expected_many));
  CHECK(usual.executor().byte_head_launches() == 0);
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
