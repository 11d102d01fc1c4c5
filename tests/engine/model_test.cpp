// Checkpoints that contradict themselves: every one a typed error that names the key or tensor.
#include <functional>
#include <limits>
#include <string>

#include <doctest/doctest.h>

#include "tests/engine/tiny_model.h"

#include <qe/error.h>
#include <qe/model.h>
#include <qe/quantize.h>

namespace {

using qe::test::TinyCheckpoint;
using qe::test::TinyShape;

qe::Checkpoint with_config(std::string from, const std::string& to) {
  qe::Checkpoint checkpoint = TinyCheckpoint({}).bert();
  std::string text = qe::test::tiny_config({});
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  checkpoint.config = qe::Config::parse(text, "config.json");
  return checkpoint;
}

template <typename E>
void expect(const qe::Checkpoint& checkpoint, const std::string& name) {
  try {
    qe::build_model(checkpoint);
    FAIL("no error for " << name);
  } catch (const E& e) {
    CHECK_MESSAGE(e.detail().name.find(name) != std::string::npos, e.what());
  }
}

TEST_CASE("a sound checkpoint becomes a model") {
  const qe::Model model = qe::build_model(TinyCheckpoint({}).bert());
  CHECK(model.architecture == "BertForSequenceClassification");
  CHECK(model.labels.size() == 5);
  CHECK(model.labels[4] == "label4");
  CHECK(model.vocab_size == 50);
  CHECK(model.max_positions == 40);
  CHECK_FALSE(model.quantized);
}

TEST_CASE("config values out of range or unsupported") {
  expect<qe::LoadError>(with_config("\"num_attention_heads\": 3", "\"num_attention_heads\": 5"),
                        "num_attention_heads");
  expect<qe::LoadError>(with_config("\"hidden_size\": 48", "\"hidden_size\": 0"), "hidden_size");
  expect<qe::LoadError>(with_config("\"hidden_size\": 48", "\"hidden_size\": \"48\""),
                        "hidden_size");
  expect<qe::LoadError>(with_config("\"hidden_size\": 48, ", ""), "hidden_size");
  expect<qe::UnsupportedError>(with_config("\"gelu\"", "\"swish\""), "hidden_act");
  expect<qe::UnsupportedError>(with_config("\"type_vocab_size\"",
                                           "\"position_embedding_type\": \"relative_key\", "
                                           "\"type_vocab_size\""),
                               "position_embedding_type");
  expect<qe::UnsupportedError>(
      with_config("\"type_vocab_size\"", "\"is_decoder\": true, \"type_vocab_size\""),
      "is_decoder");
  expect<qe::UnsupportedError>(with_config("BertForSequence", "GptForSequence"), "architectures");
  expect<qe::UnsupportedError>(
      with_config("\"type_vocab_size\"", "\"problem_type\": \"regression\", \"type_vocab_size\""),
      "problem_type");
}

TEST_CASE("config that contradicts the tensors") {
  expect<qe::LoadError>(with_config("\"vocab_size\": 50", "\"vocab_size\": 51"), "word_embeddings");
  expect<qe::LoadError>(with_config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3"),
                        "layer.2");
  expect<qe::LoadError>(with_config("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 1"),
                        "layer.1");
  expect<qe::LoadError>(with_config("\"intermediate_size\": 80", "\"intermediate_size\": 81"),
                        "intermediate");
  expect<qe::LoadError>(with_config(", \"4\": \"label4\"", ""), "id2label");
  expect<qe::LoadError>(with_config("\"4\": \"label4\"", "\"5\": \"label4\""), "id2label");
  expect<qe::LoadError>(with_config("\"4\": \"label4\"", "\"x\": \"label4\""), "id2label");
}

TEST_CASE("missing, extra, mis-shaped and unusable tensors") {
  const auto changed = [](const std::function<void(qe::Checkpoint&)>& change) {
    qe::Checkpoint checkpoint = TinyCheckpoint({}).bert();
    change(checkpoint);
    return checkpoint;
  };
  const std::string query = "bert.encoder.layer.0.attention.self.query.weight";
  expect<qe::LoadError>(changed([&](auto& c) { c.tensors.erase(query); }), query);
  expect<qe::LoadError>(changed([&](auto& c) { c.tensors["extra"] = c.tensors[query]; }), "extra");
  expect<qe::LoadError>(changed([&](auto& c) { c.tensors[query].tensor.shape = {24, 96}; }), query);
  expect<qe::LoadError>(changed([&](auto& c) { c.tensors.erase("classifier.weight"); }),
                        "classifier.weight");
  expect<qe::UnsupportedError>(
      changed([&](auto& c) {
        c.tensors["classifier.bias"].tensor = qe::make_tensor<std::int32_t>({5}, {1, 2, 3, 4, 5});
      }),
      "classifier.bias");
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    expect<qe::LoadError>(
        changed([&](auto& c) {
          c.tensors["classifier.bias"].tensor = qe::make_tensor<float>({5}, {1, 2, bad, 4, 5});
        }),
        "classifier.bias");
  }
}

TEST_CASE("quantizing twice, or without what static needs, is refused") {
  const qe::Checkpoint checkpoint = TinyCheckpoint({}).bert();
  const qe::Checkpoint once = qe::quantize(checkpoint, {}, nullptr);
  CHECK_THROWS_AS(qe::quantize(once, {}, nullptr), qe::LoadError);
  const qe::QuantizeOptions fixed{.activations = qe::ActivationScheme::kStatic};
  CHECK_THROWS_AS(qe::quantize(checkpoint, fixed, nullptr), qe::UsageError);
  const qe::Calibration empty;
  CHECK_THROWS_AS(qe::quantize(checkpoint, fixed, &empty), qe::UsageError);
  CHECK_THROWS_AS(
      qe::calibrate(qe::build_model(checkpoint), std::span<const qe::CalibrationText>{}, 1),
      qe::UsageError);
}

TEST_CASE("quantization is the same at any thread count, and good") {
  const qe::Checkpoint checkpoint = TinyCheckpoint({}).bert();
  std::vector<qe::TensorReport> report;
  const qe::Checkpoint one = qe::quantize(checkpoint, {.threads = 1}, nullptr, &report);
  const qe::Checkpoint three = qe::quantize(checkpoint, {.threads = 3}, nullptr);
  for (const auto& [name, stored] : one.tensors) {
    const auto& other = three.tensors.at(name);
    CHECK(std::equal(stored.tensor.bytes.begin(), stored.tensor.bytes.end(),
                     other.tensor.bytes.begin(), other.tensor.bytes.end()));
    REQUIRE(stored.quant.has_value() == other.quant.has_value());
    if (stored.quant) CHECK(stored.quant->scale == other.quant->scale);
  }
  REQUIRE_FALSE(report.empty());
  for (const qe::TensorReport& r : report) {
    CHECK_MESSAGE(r.sqnr_db > 35.0, r.name);
    CHECK(r.bytes_after < r.bytes_before);
  }
}

TEST_CASE("all-zero rows quantize to zero and run") {
  qe::Checkpoint checkpoint = TinyCheckpoint({}).bert();
  checkpoint.tensors["classifier.weight"].tensor =
      qe::make_tensor<float>({5, 48}, std::vector<float>(5 * 48, 0.0F));
  const qe::Checkpoint q = qe::quantize(checkpoint, {}, nullptr);
  for (const float s : q.tensors.at("classifier.weight").quant->scale) CHECK(s == 1.0F);
}

}  // namespace
