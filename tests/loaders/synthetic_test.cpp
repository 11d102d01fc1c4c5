// Synthetic model directories: shapes, distribution, reproducibility, and refused arguments.
#include <cmath>
#include <random>
#include <set>

#include <doctest/doctest.h>

#include "loaders/synthetic_weights.h"
#include "tests/loaders/models.h"
#include "tests/support/float_models.h"

#include <qe/model.h>
#include <qe/session.h>

namespace {

using qe::test::error_of;
using qe::test::TempDir;

TEST_CASE("equal specs give equal directories, other seeds other weights") {
  TempDir dir;
  for (const char* name : {"bert-tiny", "distilbert-tiny"}) {
    const std::string spec(name);
    qe::write_synthetic(spec, dir / (spec + "a"));
    qe::write_synthetic(spec + ":0", dir / (spec + "b"));
    qe::write_synthetic(spec + ":18446744073709551615", dir / (spec + "c"));
    const auto a = qe::test::read_tree(dir / (spec + "a"));
    CHECK(a == qe::test::read_tree(dir / (spec + "b")));
    CHECK(a != qe::test::read_tree(dir / (spec + "c")));
    CHECK(a.size() == 4);
  }
}

TEST_CASE("the vocabulary sets the size of the embedding") {
  TempDir dir;
  const std::string vocab = "[PAD]\n[UNK]\n[CLS]\r\n[SEP]\n[MASK]\nword\nlast";
  qe::write_synthetic("bert-tiny", dir / "m", {.vocab = vocab, .labels = 5});
  const auto checkpoint = qe::load_checkpoint(dir / "m");
  CHECK(checkpoint.tensors.at("bert.embeddings.word_embeddings.weight").tensor.shape ==
        qe::Shape{7, 64});
  CHECK(checkpoint.config.integer("vocab_size", 0, 100) == 7);
  CHECK(checkpoint.tensors.at("classifier.bias").tensor.shape == qe::Shape{5});
  CHECK(checkpoint.config.object("id2label").items().size() == 5);
  CHECK(qe::read_directory_texts(dir / "m").vocab->text == vocab);
}

TEST_CASE("a generated vocabulary has distinct tokens, the special ones first") {
  TempDir dir;
  qe::write_synthetic("bert-tiny", dir / "m");
  const std::string vocab = qe::read_directory_texts(dir / "m").vocab->text;
  std::set<std::string> tokens;
  std::size_t count = 0;
  for (std::size_t begin = 0; begin < vocab.size(); ++count) {
    const std::size_t end = vocab.find('\n', begin);
    REQUIRE(end != std::string::npos);
    tokens.insert(vocab.substr(begin, end - begin));
    begin = end + 1;
  }
  CHECK(count == 600);
  CHECK(tokens.size() == count);
  CHECK(vocab.starts_with("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n!\n##!\n"));
}

TEST_CASE("weights are normal with the given mean and deviation") {
  constexpr int kCount = 200'000;
  const auto tensor = qe::random_normal("w", 1, {kCount}, 1.0F, 2.0F);
  double sum = 0;
  double squares = 0;
  int within_one = 0;
  int beyond_three = 0;
  for (const float x : tensor.data<float>()) {
    const double z = (x - 1.0) / 2.0;
    sum += z;
    squares += z * z;
    within_one += std::abs(z) < 1.0;
    beyond_three += std::abs(z) > 3.0;
  }
  CHECK(std::abs(sum / kCount) < 0.01);
  CHECK(std::abs(squares / kCount - 1.0) < 0.02);
  CHECK(std::abs(within_one / static_cast<double>(kCount) - 0.68269) < 0.005);
  CHECK(std::abs(beyond_three / static_cast<double>(kCount) - 0.0027) < 0.0006);
  const auto prefix = qe::random_normal("w", 1, {10}, 1.0F, 2.0F);
  for (int i = 0; i < 10; ++i) CHECK(prefix.data<float>()[i] == tensor.data<float>()[i]);
}

TEST_CASE("bad arguments are refused before anything is written") {
  TempDir dir;
  const auto refused = [&](const char* spec, const qe::SyntheticOptions& options = {}) {
    return error_of<qe::UsageError>([&] { qe::write_synthetic(spec, dir / "m", options); });
  };
  for (const char* spec : {"", "bert", "bert-base:", "bert-base:x", "bert-base:-1", "bert-base:1x",
                           "bert-base:18446744073709551616", ":1"}) {
    CHECK(refused(spec).name == spec);
  }
  CHECK(refused("bert").expected.find("minilm-l6") != std::string::npos);
  CHECK(refused("bert-tiny", {.labels = 1}).problem == "too few labels");
  CHECK(refused("bert-tiny", {.vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n"}).name == "[MASK]");
  CHECK(qe::test::read_tree(dir.path()).empty());
  qe::write_synthetic("bert-tiny", dir / "m");
  CHECK(refused("bert-tiny:1").problem == "output directory exists");
  CHECK_NOTHROW(qe::write_synthetic("bert-tiny:1", dir / "m", {.force = true}));
  CHECK(qe::synthetic_models().size() >= 12);
}

TEST_CASE("activations of synthetic image models neither die out nor explode") {
  if (qe::test::skip_float("float activations")) return;
  TempDir dir;
  std::vector<std::uint8_t> pixels(std::size_t{2} * 224 * 224 * 3);
  std::mt19937 random(7);
  for (std::uint8_t& pixel : pixels) pixel = static_cast<std::uint8_t>(random());
  for (const std::string name : {"resnet18", "resnet50", "mobilenetv2_100", "efficientnet_b0",
                                 "squeezenet1_1", "vit_small_patch16_224"}) {
    CAPTURE(name);
    qe::write_synthetic(name + ":3", dir / name, {.labels = 50});
    qe::Model model = qe::build_model(qe::load_checkpoint(dir / name));
    CHECK(model.architecture == name);
    CHECK(model.labels.size() == 50);
    const auto plan = qe::Plan::compile(std::move(model), {.max_sequences = 2});
    qe::Session session(plan, {});
    double sum = 0;
    double squares = 0;
    for (const float logit : session.run(qe::ImageBatch{.pixels = pixels})) {
      sum += logit;
      squares += logit * logit;
    }
    const double deviation = std::sqrt(squares / 100 - sum * sum / 10000);
    MESSAGE(name << ": logits of deviation " << deviation);
    CHECK(deviation > 0.05);
    CHECK(deviation < 20);
  }
}

TEST_CASE("synthetic image models are reproducible and take no vocabulary") {
  TempDir dir;
  qe::write_synthetic("squeezenet1_1", dir / "a");
  qe::write_synthetic("squeezenet1_1:0", dir / "b");
  qe::write_synthetic("squeezenet1_1:1", dir / "c");
  const auto a = qe::test::read_tree(dir / "a");
  CHECK(a == qe::test::read_tree(dir / "b"));
  CHECK(a != qe::test::read_tree(dir / "c"));
  CHECK(a.size() == 2);
  CHECK(qe::load_checkpoint(dir / "a").tensors.at("classifier.1.weight").tensor.shape ==
        qe::Shape{1000, 512, 1, 1});
  CHECK(error_of<qe::UsageError>([&] {
          qe::write_synthetic("resnet18", dir / "d", {.vocab = "[PAD]\n"});
        }).name == "resnet18");
}

}  // namespace
