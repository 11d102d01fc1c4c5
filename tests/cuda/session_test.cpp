// Sessions on a GPU: the CPU's bits for batches of mixed lengths and in any order, sessions beside
// each other, work in a caller's stream, and what is refused.
#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include <qe/cuda/session.h>
#include <qe/save.h>
#include <qe/text_classifier.h>

#include "tests/cuda/gpu_support.h"
#include "tests/cuda/session_support.h"

namespace {

using qe::ActivationScheme;
using qe::test::as_free;
using qe::test::compile_for;
using qe::test::free_bytes;
using qe::test::kGpu;
using qe::test::quantized;
using qe::test::require;
using qe::test::same_bits;
using qe::test::TinyBatch;
using qe::test::TinyCheckpoint;
using qe::test::TinyShape;
using qe::test::view;

constexpr qe::DeviceSpec kCpu{};
constexpr ActivationScheme kSchemes[] = {ActivationScheme::kDynamic, ActivationScheme::kStatic};

bool skip(ActivationScheme scheme) {
  return scheme == ActivationScheme::kStatic && qe::test::skip_float("calibration");
}

class CallersStream {
 public:
  CallersStream() { require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~CallersStream() { static_cast<void>(cudaStreamDestroy(stream_)); }
  CallersStream(const CallersStream&) = delete;
  CallersStream& operator=(const CallersStream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

// One session for all batches, so that graphs are replayed with fewer and with more rows than they
// were recorded for.
void check_batches(const qe::Checkpoint& checkpoint, const std::vector<std::vector<int>>& batches,
                   int vocab, bool types) {
  const auto cpu = compile_for(checkpoint, kCpu);
  const auto gpu = compile_for(checkpoint, kGpu);
  CHECK(gpu->integer());
  CHECK(gpu->device().kind == qe::DeviceSpec::Kind::kCuda);
  qe::Session session(gpu, {});
  unsigned seed = 1;
  for (const std::vector<int>& lengths : batches) {
    TinyBatch batch(lengths, vocab, seed++);
    if (!types) batch.types.clear();
    CAPTURE(lengths.size());
    CHECK(same_bits(qe::test::run(session, batch), qe::test::run(cpu, batch)));
  }
}

}  // namespace

TEST_CASE("the embedded model gives the CPU's bits") {
  for (const ActivationScheme scheme : kSchemes) {
    if (skip(scheme)) continue;
    const qe::Checkpoint checkpoint = quantized(qe::test::embedded_model(), scheme);
    const int vocab = qe::build_model(checkpoint).vocab_size;
    check_batches(checkpoint, {qe::test::kMixedLengths, {128}, {1}, {9, 3}, {5, 4}, {70, 100, 20}},
                  vocab, true);
  }
}

TEST_CASE("sizes that fit no tile give the CPU's bits") {
  const std::vector<std::vector<int>> batches = {{1, 7, 40, 2, 33}, {3}, {17}, {40, 40, 1}};
  for (const ActivationScheme scheme : kSchemes) {
    if (skip(scheme)) continue;
    for (const TinyShape& shape :
         {TinyShape{},
          TinyShape{.hidden = 72, .heads = 3, .intermediate = 130, .activation = "relu"},
          TinyShape{.layers = 1, .hidden = 64, .heads = 2, .activation = "gelu_new"}}) {
      CAPTURE(shape.hidden);
      check_batches(quantized(TinyCheckpoint(shape).bert(), scheme), batches, shape.vocab, true);
    }
  }
}

TEST_CASE("a model without token types gives the CPU's bits") {
  const qe::Checkpoint source =
      qe::load_checkpoint(qe::test::source_path("tests/data/models/distilbert"));
  for (const ActivationScheme scheme : kSchemes) {
    if (skip(scheme)) continue;
    const qe::Checkpoint checkpoint = quantized(source, scheme);
    check_batches(checkpoint, {{3, 12, 1}, {7}}, qe::build_model(checkpoint).vocab_size, false);
  }
}

TEST_CASE("texts are answered as on the CPU, also after one that is refused") {
  const std::string source = qe::test::source_path("models/tiny-emotion");
  const auto directory = std::filesystem::temp_directory_path() / "qe-session-test-model";
  qe::write_quantized(quantized(qe::test::embedded_model(), ActivationScheme::kDynamic), source,
                      directory, {.force = std::filesystem::exists(directory)});
  // Few texts a run, so that several are under way one after another.
  qe::TextClassifierOptions options{.max_tokens = 128, .max_sequences = 3};
  qe::TextClassifier cpu = qe::TextClassifier::open(directory, options);
  options.device = kGpu;
  qe::TextClassifier gpu = qe::TextClassifier::open(directory, options);
  std::filesystem::remove_all(directory);

  std::ifstream file(qe::test::source_path("data/demo-sentences/test.tsv"));
  std::vector<std::string> lines;
  for (std::string line; lines.size() < 20 && std::getline(file, line);) lines.push_back(line);
  std::vector<qe::TextInput> texts;
  for (const std::string& line : lines) texts.push_back({line, std::nullopt});
  REQUIRE(texts.size() == 20);
  const auto check = [&] {
    const std::vector<qe::Classification> expected = cpu.classify(texts);
    const std::vector<qe::Classification> answers = gpu.classify(texts);
    REQUIRE(answers.size() == expected.size());
    for (std::size_t i = 0; i < answers.size(); ++i) {
      CHECK(same_bits(answers[i].logits, expected[i].logits));
      CHECK(answers[i].tokens == expected[i].tokens);
    }
  };
  check();
  std::vector<qe::TextInput> broken = texts;
  broken[11].text = "\xFF";
  CHECK_THROWS_AS(gpu.classify(broken), qe::DataError);
  check();
}

TEST_CASE("sessions of one plan run beside each other") {
  const TinyShape shape;
  const qe::Checkpoint checkpoint =
      quantized(TinyCheckpoint(shape).bert(), ActivationScheme::kDynamic);
  const auto gpu = compile_for(checkpoint, kGpu);
  const auto cpu = compile_for(checkpoint, kCpu);
  constexpr std::size_t kSessions = 5;
  std::vector<CallersStream> streams(kSessions);
  std::vector<qe::cuda::Session> sessions;
  std::vector<TinyBatch> batches;
  std::vector<std::span<const float>> logits;
  for (std::size_t i = 0; i < kSessions; ++i) {
    sessions.emplace_back(gpu);
    batches.emplace_back(std::vector<int>{3, static_cast<int>(5 * i) + 1}, shape.vocab,
                         static_cast<unsigned>(i));
    logits.push_back(sessions[i].enqueue(view(batches[i]), streams[i].get()));
  }
  for (std::size_t i = kSessions; i-- > 0;) {
    qe::cuda::synchronize(streams[i].get());
    CHECK(same_bits(logits[i], qe::test::run(cpu, batches[i])));
  }
  sessions.clear();  // before the streams they ran in
}

TEST_CASE("sessions of one plan driven by two threads") {
  const TinyShape shape{.layers = 1};
  const qe::Checkpoint checkpoint =
      quantized(TinyCheckpoint(shape).bert(), ActivationScheme::kDynamic);
  const auto gpu = compile_for(checkpoint, kGpu);
  const auto cpu = compile_for(checkpoint, kCpu);
  std::vector<TinyBatch> batches;
  std::vector<std::vector<float>> expected;
  for (const int length : {2, 17, 30, 40}) {
    batches.emplace_back(std::vector<int>{3, length}, shape.vocab, static_cast<unsigned>(length));
    expected.push_back(qe::test::run(cpu, batches.back()));
  }
  // Each makes sessions, whose memory is allocated and whose sizes are recorded while the other
  // does the same or runs.
  const auto right_answers = [&](std::size_t first) {
    int right = 0;
    for (int round = 0; round < 3; ++round) {
      qe::Session session(gpu, {});
      for (std::size_t i = 0; i < batches.size(); ++i) {
        const std::size_t which = (first + i) % batches.size();
        right +=
            static_cast<int>(same_bits(qe::test::run(session, batches[which]), expected[which]));
      }
    }
    return right;
  };
  auto other = std::async(std::launch::async, right_answers, std::size_t{2});
  CHECK(right_answers(0) == 12);
  CHECK(other.get() == 12);
}

TEST_CASE("another thread may record in a stream that waits for the default one") {
  const TinyShape shape{.layers = 1};
  const qe::Checkpoint checkpoint =
      quantized(TinyCheckpoint(shape).bert(), ActivationScheme::kDynamic);
  const TinyBatch batch({3, 17}, shape.vocab, 1);
  const std::vector<float> expected = qe::test::run(compile_for(checkpoint, kCpu), batch);
  const auto answer = [&] { return qe::test::run(compile_for(checkpoint, kGpu), batch); };
  answer();  // what is loaded at its first use is loaded now
  cudaStream_t blocking = nullptr;
  cudaGraph_t graph = nullptr;
  require(cudaStreamCreate(&blocking));
  require(cudaStreamBeginCapture(blocking, cudaStreamCaptureModeThreadLocal));
  auto logits = std::async(std::launch::async, answer);
  logits.wait();
  require(cudaStreamEndCapture(blocking, &graph));
  require(cudaGraphDestroy(graph));
  require(cudaStreamDestroy(blocking));
  CHECK(same_bits(logits.get(), expected));
}

TEST_CASE("a batch in a caller's stream") {
  const TinyShape shape;
  const qe::Checkpoint checkpoint =
      quantized(TinyCheckpoint(shape).bert(), ActivationScheme::kDynamic);
  const auto cpu = compile_for(checkpoint, kCpu);
  const CallersStream stream;
  qe::cuda::Session session(compile_for(checkpoint, kGpu));
  std::optional<TinyBatch> batch(std::in_place, std::vector<int>{4, 31}, shape.vocab, 1U);
  const std::vector<float> expected = qe::test::run(cpu, *batch);
  const std::span<const float> logits = session.enqueue(view(*batch), stream.get());
  batch.reset();  // copied on return
  qe::cuda::synchronize(stream.get());
  CHECK(same_bits(logits, expected));

  const TinyBatch other({2, 2, 20}, shape.vocab, 2);
  const std::span<const float> waited = session.enqueue(view(other), nullptr);
  session.wait();
  CHECK(same_bits(waited, qe::test::run(cpu, other)));
  session.wait();  // nothing is under way

  // What is refused leaves the session as it was.
  const TinyBatch wrong({2, 2}, shape.vocab + 1000, 3);
  CHECK_THROWS_AS(session.enqueue(view(wrong), stream.get()), qe::UsageError);
  CHECK_THROWS_AS(session.enqueue({}, stream.get()), qe::UsageError);
  const std::span<const float> again = session.enqueue(view(other), stream.get());
  qe::cuda::synchronize(stream.get());
  CHECK(same_bits(again, qe::test::run(cpu, other)));
}

TEST_CASE("a session destroyed with work under way waits for it") {
  const TinyShape shape;
  const qe::Checkpoint checkpoint =
      quantized(TinyCheckpoint(shape).bert(), ActivationScheme::kDynamic);
  const auto gpu = compile_for(checkpoint, kGpu);
  const TinyBatch batch({30, 31}, shape.vocab, 1);
  const CallersStream stream;
  {
    qe::cuda::Session session(gpu);
    session.enqueue(view(batch), stream.get());
  }
  qe::cuda::synchronize(stream.get());
  CHECK(same_bits(qe::test::run(gpu, batch), qe::test::run(compile_for(checkpoint, kCpu), batch)));
}

TEST_CASE("1000 sessions leave no memory behind") {
  const TinyShape shape{.layers = 1};
  const auto gpu =
      compile_for(quantized(TinyCheckpoint(shape).bert(), ActivationScheme::kDynamic), kGpu, 64, 4);
  const TinyBatch batch({3, 5}, shape.vocab, 1);
  const std::vector<float> expected = qe::test::run(gpu, batch);
  const auto make = [&](int sessions) {
    for (int i = 0; i < sessions; ++i) {
      qe::Session session(gpu, {});
      if (i % 100 == 0) CHECK(same_bits(qe::test::run(session, batch), expected));
    }
  };
  make(10);
  const std::size_t before = free_bytes();
  make(1000);
  CHECK(as_free(free_bytes(), before));
}

TEST_CASE("too little memory is refused with both figures, and nothing is allocated") {
  const qe::Checkpoint checkpoint =
      quantized(TinyCheckpoint({}).bert(), ActivationScheme::kDynamic);
  qe::test::load_kernels(checkpoint);
  const std::size_t before = free_bytes();
  std::optional<qe::ErrorDetail> detail;
  try {
    compile_for(checkpoint, kGpu, 1'000'000'000, 1'000'000);  // terabytes
  } catch (const qe::ResourceError& error) {
    detail = error.detail();
  }
  REQUIRE(detail);
  CHECK(detail->expected.find(" bytes") != std::string::npos);
  CHECK(detail->actual.ends_with(" bytes free"));
  CHECK(as_free(std::stoull(detail->actual), before));
  CHECK(as_free(free_bytes(), before));
}

TEST_CASE("models without kernels are refused by a node's name") {
  const auto refused = [](const qe::Checkpoint& checkpoint) -> std::string {
    try {
      compile_for(checkpoint, kGpu);
    } catch (const qe::UnsupportedError& error) {
      return error.detail().name + ": " + error.detail().problem;
    }
    return "not refused";
  };
  const qe::Checkpoint floats = TinyCheckpoint({}).bert();
  qe::test::load_kernels(quantized(floats, ActivationScheme::kDynamic));
  const std::size_t before = free_bytes();
  const qe::Checkpoint mixed = qe::quantize(
      floats, {.keep_float = R"(bert\.encoder\.layer\.1\.intermediate\.dense)"}, nullptr);
  CHECK(refused(mixed) ==
        "bert.encoder.layer.1.intermediate.dense: a product of floats has no kernel for a GPU");
  const qe::Checkpoint images = qe::load_checkpoint(qe::test::source_path("models/tiny-shapes"));
  CHECK(refused(images).find("has no kernel for a GPU") != std::string::npos);
  const qe::Checkpoint wide =
      quantized(TinyCheckpoint({.hidden = 160, .heads = 1}).bert(), ActivationScheme::kDynamic);
  CHECK(refused(wide).find("heads are too wide for a GPU") != std::string::npos);
  CHECK(as_free(free_bytes(), before));
}

TEST_CASE("devices and plans that do not fit are refused") {
  const qe::Checkpoint checkpoint =
      quantized(TinyCheckpoint({}).bert(), ActivationScheme::kDynamic);
  CHECK_THROWS_AS(compile_for(checkpoint, {.kind = qe::DeviceSpec::Kind::kCuda, .index = 1000}),
                  qe::UsageError);
  CHECK_THROWS_AS(qe::cuda::Session(compile_for(checkpoint, kCpu)), qe::UsageError);
  qe::Session session(compile_for(checkpoint, kGpu), {});
  CHECK_THROWS_AS(session.set_observer([](auto, auto, int, int) {}), qe::UsageError);
}
