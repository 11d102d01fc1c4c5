// Integer sessions: the same bits for every instruction set, thread count and batch composition;
// refusal of batches that do not fit; float and integer answers close to each other.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include <doctest/doctest.h>

#include "tests/engine/tiny_model.h"
#include "tests/support/float_models.h"

#include <qe/error.h>
#include <qe/quantize.h>
#include <qe/session.h>

namespace {

using qe::test::TinyBatch;
using qe::test::TinyCheckpoint;
using qe::test::TinyShape;

std::vector<float> run(const std::shared_ptr<const qe::Plan>& plan, int threads,
                       const TinyBatch& batch) {
  qe::Session session(plan, {.threads = threads});
  const auto logits =
      session.run({.token_ids = batch.ids, .type_ids = batch.types, .offsets = batch.offsets});
  return {logits.begin(), logits.end()};
}

std::shared_ptr<const qe::Plan> compile(const qe::Checkpoint& checkpoint, qe::Isa isa) {
  return qe::Plan::compile(qe::build_model(checkpoint),
                           {.max_tokens = 700, .max_sequences = 64, .isa = isa});
}

std::vector<qe::CalibrationText> calibration_texts(const TinyShape& shape) {
  std::vector<qe::CalibrationText> texts;
  for (unsigned seed = 100; seed < 120; ++seed) {
    const TinyBatch batch({static_cast<int>(3 + seed % 30)}, shape.vocab, seed);
    texts.push_back({batch.ids, batch.types});
  }
  return texts;
}

qe::Checkpoint quantized(const TinyShape& shape, qe::ActivationScheme scheme) {
  const qe::Checkpoint checkpoint = TinyCheckpoint(shape).bert();
  if (scheme == qe::ActivationScheme::kDynamic) return qe::quantize(checkpoint, {}, nullptr);
  const qe::Calibration calibration =
      qe::calibrate(qe::build_model(checkpoint), calibration_texts(shape), 2);
  return qe::quantize(checkpoint, {.activations = scheme}, &calibration);
}

const std::vector<int> kLengths = {1, 7, 40, 2, 33, 16, 5, 40, 40, 12, 3, 39, 40, 40, 40};

TEST_CASE("integer logits are bit-equal over instruction sets, threads and batches") {
  for (const auto scheme : {qe::ActivationScheme::kDynamic, qe::ActivationScheme::kStatic}) {
    if (scheme == qe::ActivationScheme::kStatic && qe::test::skip_float("calibration")) continue;
    for (const TinyShape& shape :
         {TinyShape{},
          TinyShape{.hidden = 72, .heads = 3, .intermediate = 130, .activation = "relu"},
          TinyShape{.layers = 1, .hidden = 64, .heads = 2, .activation = "gelu_new"}}) {
      CAPTURE(shape.hidden);
      const qe::Checkpoint checkpoint = quantized(shape, scheme);
      const TinyBatch batch(kLengths, shape.vocab, 11);
      const auto expected = run(compile(checkpoint, qe::Isa::kReference), 1, batch);
      for (const qe::Isa isa : qe::available_isas()) {
        CAPTURE(qe::name(isa));
        const auto plan = compile(checkpoint, isa);
        CHECK(plan->isa() == isa);
        CHECK(plan->integer());
        for (const int threads : {1, 2, 3}) {
          const auto actual = run(plan, threads, batch);
          REQUIRE(actual.size() == expected.size());
          CHECK(std::memcmp(actual.data(), expected.data(), actual.size() * sizeof(float)) == 0);
        }
        const std::size_t labels = static_cast<std::size_t>(shape.labels);
        for (std::size_t s = 0; s + 1 < batch.offsets.size(); ++s) {
          TinyBatch alone({}, shape.vocab, 0);
          const auto begin = static_cast<std::ptrdiff_t>(batch.offsets[s]);
          const auto end = static_cast<std::ptrdiff_t>(batch.offsets[s + 1]);
          alone.ids.assign(batch.ids.begin() + begin, batch.ids.begin() + end);
          alone.types.assign(batch.types.begin() + begin, batch.types.begin() + end);
          alone.offsets = {0, batch.offsets[s + 1] - batch.offsets[s]};
          const auto actual = run(plan, 1, alone);
          CHECK(std::memcmp(actual.data(), expected.data() + s * labels, labels * sizeof(float)) ==
                0);
        }
      }
    }
  }
}

TEST_CASE("integer answers stay close to float ones") {
  if (qe::test::skip_float("float logits")) return;
  const TinyShape shape;
  const qe::Checkpoint checkpoint = TinyCheckpoint(shape).bert();
  const TinyBatch batch(kLengths, shape.vocab, 12);
  const qe::Isa isa = qe::default_isa();
  const std::vector<float> exact = run(compile(checkpoint, isa), 2, batch);
  for (const auto scheme : {qe::ActivationScheme::kDynamic, qe::ActivationScheme::kStatic}) {
    const auto actual = run(compile(quantized(shape, scheme), isa), 2, batch);
    double signal = 0;
    double noise = 0;
    for (std::size_t i = 0; i < exact.size(); ++i) {
      signal += exact[i] * exact[i];
      noise += (exact[i] - actual[i]) * (exact[i] - actual[i]);
    }
    CHECK(noise < 0.01 * signal);
    CHECK(noise > 0);
  }
}

TEST_CASE("a batch that does not fit is refused with its numbers") {
  const TinyShape shape;
  const auto plan =
      qe::Plan::compile(qe::build_model(quantized(shape, qe::ActivationScheme::kDynamic)),
                        {.max_tokens = 20, .max_sequences = 2, .isa = qe::Isa::kReference});
  qe::Session session(plan, {});
  const auto attempt = [&](std::vector<std::int32_t> ids, std::vector<std::int32_t> types,
                           std::vector<std::int32_t> offsets) {
    session.run({.token_ids = ids, .type_ids = types, .offsets = offsets});
  };
  CHECK_THROWS_AS(attempt({}, {}, {}), qe::UsageError);
  CHECK_THROWS_AS(attempt({}, {}, {0}), qe::UsageError);
  CHECK_THROWS_AS(attempt({}, {}, {0, 0}), qe::UsageError);
  CHECK_THROWS_AS(attempt({1, 2, 3}, {}, {0, 1, 2, 3}), qe::UsageError);
  CHECK_THROWS_AS(attempt(std::vector<std::int32_t>(21, 1), {}, {0, 21}), qe::UsageError);
  CHECK_THROWS_AS(attempt({1, 2}, {0}, {0, 2}), qe::UsageError);
  CHECK_THROWS_AS(attempt({1, 2}, {}, {1, 2}), qe::UsageError);
  CHECK_THROWS_AS(attempt({1, 2}, {}, {0, 1}), qe::UsageError);
  CHECK_THROWS_AS(attempt({1, 2}, {}, {0, 3, 2}), qe::UsageError);
  CHECK_THROWS_AS(attempt({1, 50}, {}, {0, 2}), qe::UsageError);
  CHECK_THROWS_AS(attempt({1, -1}, {}, {0, 2}), qe::UsageError);
  CHECK_THROWS_AS(attempt({1, 2}, {0, 2}, {0, 2}), qe::UsageError);
  CHECK_NOTHROW(attempt({1, 2}, {}, {0, 2}));
  CHECK_THROWS_AS(qe::Session(plan, {.threads = 0}), qe::UsageError);
  CHECK_THROWS_AS(session.set_observer([](auto, auto, int, int) {}), qe::UsageError);
}

TEST_CASE("capacities must be positive") {
  const auto model = qe::build_model(TinyCheckpoint({}).bert());
  CHECK_THROWS_AS(qe::Plan::compile(model, {.max_tokens = 0}), qe::UsageError);
  CHECK_THROWS_AS(qe::Plan::compile(model, {.max_sequences = 0}), qe::UsageError);
  CHECK_THROWS_AS(qe::Plan::compile(model, {.threads = 0}), qe::UsageError);
}

TEST_CASE("QE_ISA caps the instruction set") {
  ::setenv("QE_ISA", "reference", 1);
  CHECK(qe::default_isa() == qe::Isa::kReference);
  const auto plan =
      qe::Plan::compile(qe::build_model(quantized({}, qe::ActivationScheme::kDynamic)), {});
  CHECK(plan->isa() == qe::Isa::kReference);
  ::setenv("QE_ISA", "sse9", 1);
  CHECK_THROWS_AS(qe::default_isa(), qe::UsageError);
  ::unsetenv("QE_ISA");
  CHECK(qe::default_isa() == qe::available_isas().back());
}

}  // namespace
