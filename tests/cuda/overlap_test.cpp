// Sessions whose recorded launches overlap answer with the bits of sessions whose launches do not.
#include <doctest/doctest.h>

#include <memory>
#include <vector>

#include <qe/gpu_options.h>

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

constexpr const char* kInTheProduct = "quantize rows, many in the product";

// Batches in turn, so that what a launch finds too early is what another batch left.
void check(const qe::Checkpoint& checkpoint, const qe::GpuOptions& options = {}) {
  const int rounds = qe::test::emulated() ? 2 : 500;
  const auto plan = compile_for(checkpoint, kGpu);
  const int vocab = qe::build_model(checkpoint).vocab_size;
  const std::vector<TinyBatch> batches = {TinyBatch({12}, vocab, 1), TinyBatch({11}, vocab, 2),
                                          TinyBatch({30, 5, 39, 1, 17}, vocab, 3),
                                          TinyBatch({7, 40, 1, 20, 9}, vocab, 4)};
  GpuRunner apart(plan, {.overlap = false});
  GpuRunner overlapping(plan, options);
  std::vector<std::vector<float>> expected;
  expected.reserve(batches.size());
  for (const TinyBatch& batch : batches) expected.push_back(apart.run(batch));
  for (int round = 0; round < rounds; ++round) {
    for (std::size_t i = 0; i < batches.size(); ++i) {
      CAPTURE(round);
      CAPTURE(i);
      REQUIRE(qe::test::same_bits(overlapping.run(batches[i]), expected[i]));
    }
  }
}

}  // namespace

TEST_CASE("launches that overlap give the bits of launches that do not") {
  check(qe::test::quantized(qe::test::embedded_model(), ActivationScheme::kDynamic));
  if (qe::test::skip_float("calibration")) return;
  check(qe::test::quantized(qe::test::embedded_model(), ActivationScheme::kStatic));
}

TEST_CASE("launches that overlap give the same bits in halves") {
  if (qe::test::skip_float("float models")) return;
  check(TinyCheckpoint(TinyShape{}).bert());
}

// The feed-forward product does the quantization's work, behind the launch before and ahead of one
// that overlaps it.
TEST_CASE("rows quantized in registers give the bits of a session without") {
  for (const char* activation : {"gelu", "relu"}) {
    TinyShape shape;
    shape.hidden = 64;
    shape.heads = 2;
    shape.intermediate = 200;
    shape.activation = activation;
    const qe::Checkpoint model =
        qe::test::quantized(TinyCheckpoint(shape).bert(), ActivationScheme::kDynamic);
    const auto plan = compile_for(model, kGpu);
    const auto& program = dynamic_cast<const qe::cuda::GpuProgram&>(*plan->impl().program);
    if (!program.products.choose_row_bytes(1, shape.intermediate, shape.hidden)) {
      MESSAGE("skipped: this GPU has none of the kernels");
      return;
    }
    int pairs = 0;
    for (int step = 0; step < static_cast<int>(plan->steps().size()); ++step) {
      if (plan->steps()[static_cast<std::size_t>(step)].kernel != kInTheProduct) continue;
      ++pairs;
      // What it makes has its place from the product on.
      for (const qe::ArenaBuffer& buffer : plan->buffers()) CHECK(buffer.first_step != step);
    }
    CHECK(pairs == shape.layers);
    check(model, {.row_bytes_from = 1});
    check(model, {.row_bytes_from = 1, .byte_heads_from = 1});
  }
}
