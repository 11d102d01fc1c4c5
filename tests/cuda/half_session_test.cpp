// Float models on a GPU, which runs them in halves, against floats on the CPU: close logits and the
// same labels, for batches of mixed lengths and in any order; and what is refused.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <qe/cuda/session.h>

#include "tests/cuda/session_support.h"

namespace {

using qe::test::compile_for;
using qe::test::kGpu;
using qe::test::TinyBatch;
using qe::test::TinyCheckpoint;
using qe::test::TinyShape;

constexpr qe::DeviceSpec kCpu{};
constexpr float kClose = 0.05F;

// Labels may differ only where the two best logits of floats are closer than the bound.
void check_close(std::span<const float> halves, std::span<const float> floats, std::size_t labels) {
  REQUIRE(halves.size() == floats.size());
  for (std::size_t row = 0; row < halves.size(); row += labels) {
    const auto half = halves.subspan(row, labels);
    const auto exact = floats.subspan(row, labels);
    float worst = 0;
    for (std::size_t i = 0; i < labels; ++i) {
      const float difference = std::fabs(half[i] - exact[i]);
      if (!(difference <= worst)) worst = difference;
    }
    CHECK(worst <= kClose);
    const auto best = std::max_element(exact.begin(), exact.end()) - exact.begin();
    const auto label = std::max_element(half.begin(), half.end()) - half.begin();
    const float margin =
        exact[static_cast<std::size_t>(best)] - exact[static_cast<std::size_t>(label)];
    CHECK(margin <= kClose);
  }
}

void check_batches(const qe::Checkpoint& checkpoint, const std::vector<std::vector<int>>& batches,
                   bool types) {
  const auto cpu = compile_for(checkpoint, kCpu);
  const auto gpu = compile_for(checkpoint, kGpu);
  CHECK(!gpu->integer());
  for (const qe::ArenaBuffer& buffer : gpu->buffers()) {
    const bool logits = buffer.last_step == static_cast<int>(gpu->steps().size()) - 1 &&
                        buffer.first_step == buffer.last_step;
    CHECK(buffer.dtype == (logits ? qe::DType::kF32 : qe::DType::kF16));
  }
  const int vocab = qe::build_model(checkpoint).vocab_size;
  qe::Session session(gpu, {});
  unsigned seed = 1;
  for (const std::vector<int>& lengths : batches) {
    TinyBatch batch(lengths, vocab, seed++);
    if (!types) batch.types.clear();
    CAPTURE(lengths.size());
    check_close(qe::test::run(session, batch), qe::test::run(cpu, batch),
                static_cast<std::size_t>(gpu->label_count()));
  }
}

template <class Compile>
std::string refusal(const Compile& compile) {
  try {
    compile();
  } catch (const qe::Error& error) {
    return error.what();
  }
  return "not refused";
}

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// The first weight of a tensor, in a copy of its own.
void set_first(qe::Checkpoint& checkpoint, const std::string& name, float value) {
  qe::Tensor& tensor = checkpoint.tensors.at(name).tensor;
  std::vector<float> elements = qe::to_float(tensor, name);
  elements.at(0) = value;
  tensor = qe::make_tensor(tensor.shape, std::move(elements));
}

}  // namespace

TEST_CASE("the embedded model in halves answers as in floats") {
  if (qe::test::skip_float("float models")) return;
  check_batches(qe::test::embedded_model(),
                {qe::test::kMixedLengths, {128}, {1}, {9, 3}, {5, 4}, {70, 100, 20}}, true);
}

TEST_CASE("halves: sizes that fit no tile, and every activation") {
  if (qe::test::skip_float("float models")) return;
  for (const TinyShape& shape :
       {TinyShape{}, TinyShape{.hidden = 72, .heads = 3, .intermediate = 130, .activation = "relu"},
        TinyShape{.layers = 1, .hidden = 70, .heads = 2, .activation = "gelu_new"}}) {
    CAPTURE(shape.hidden);
    check_batches(TinyCheckpoint(shape).bert(), {{1, 7, 40, 2, 33}, {3}, {17}, {40, 40, 1}}, true);
  }
}

TEST_CASE("halves: a model without token types") {
  if (qe::test::skip_float("float models")) return;
  check_batches(qe::load_checkpoint(qe::test::source_path("tests/data/models/distilbert")),
                {{3, 12, 1}, {7}}, false);
}

TEST_CASE("the same batch in halves gives the same bits again") {
  const TinyShape shape;
  const auto gpu = compile_for(TinyCheckpoint(shape).bert(), kGpu);
  const TinyBatch batch({3, 17, 40}, shape.vocab, 1);
  qe::Session session(gpu, {});
  const std::vector<float> first = qe::test::run(session, batch);
  static_cast<void>(qe::test::run(session, TinyBatch({40, 40, 40, 2}, shape.vocab, 2)));
  CHECK(qe::test::same_bits(qe::test::run(session, batch), first));
  CHECK(qe::test::same_bits(qe::test::run(gpu, batch), first));
}

TEST_CASE("what halves cannot hold, and other float models that are refused") {
  const TinyShape shape;
  qe::test::load_kernels(TinyCheckpoint(shape).bert());
  const std::size_t before = qe::test::free_bytes();
  qe::Checkpoint large = TinyCheckpoint(shape).bert();
  set_first(large, "bert.pooler.dense.weight", -1e5F);
  const std::string weight = refusal([&] { compile_for(large, kGpu); });
  CHECK(contains(weight, "a weight is too large for a half"));
  CHECK(contains(weight, "bert.pooler.dense.weight"));
  const qe::Checkpoint wide = TinyCheckpoint({.hidden = 160, .heads = 1}).bert();
  CHECK(contains(refusal([&] { compile_for(wide, kGpu); }), "heads are too wide for a GPU"));
  CHECK(qe::test::as_free(qe::test::free_bytes(), before));
  qe::Session session(compile_for(TinyCheckpoint(shape).bert(), kGpu), {});
  CHECK_THROWS_AS(session.set_observer([](auto, auto, int, int) {}), qe::UsageError);
}
