// A BERT or DistilBERT of a few thousand seeded random weights, as a checkpoint in memory, for
// tests of the engine.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <qe/checkpoint.h>

namespace qe::test {

struct TinyShape {
  int layers = 2;
  int hidden = 48;
  int heads = 3;
  int intermediate = 80;
  int vocab = 50;
  int positions = 40;
  int labels = 5;
  unsigned seed = 7;
  std::string activation = "gelu";
};

inline std::string tiny_config(const TinyShape& s) {
  const auto field = [](const char* key, int value) {
    return "\"" + std::string(key) + "\": " + std::to_string(value) + ", ";
  };
  std::string labels;
  for (int i = 0; i < s.labels; ++i) {
    labels +=
        (i > 0 ? ", \"" : "\"") + std::to_string(i) + "\": \"label" + std::to_string(i) + "\"";
  }
  return "{\"architectures\": [\"BertForSequenceClassification\"], " +
         field("hidden_size", s.hidden) + field("num_hidden_layers", s.layers) +
         field("num_attention_heads", s.heads) + field("intermediate_size", s.intermediate) +
         field("vocab_size", s.vocab) + field("max_position_embeddings", s.positions) +
         field("type_vocab_size", 2) + "\"hidden_act\": \"" + s.activation + "\", \"id2label\": {" +
         labels + "}}";
}

class TinyCheckpoint {
 public:
  explicit TinyCheckpoint(const TinyShape& shape)
      : shape_(shape),
        random_(shape.seed),
        checkpoint_{.config = Config::parse(tiny_config(shape), "config.json"), .source = "tiny"} {}

  Checkpoint bert() {
    const int h = shape_.hidden;
    const std::string emb = "bert.embeddings.";
    matrix(emb + "word_embeddings", shape_.vocab, h, 1.0F);
    matrix(emb + "position_embeddings", shape_.positions, h, 0.5F);
    matrix(emb + "token_type_embeddings", 2, h, 0.5F);
    norm(emb + "LayerNorm");
    for (int i = 0; i < shape_.layers; ++i) {
      const std::string layer = "bert.encoder.layer." + std::to_string(i) + ".";
      for (const char* part : {"query", "key", "value"}) {
        linear(layer + "attention.self." + part, h, h);
      }
      linear(layer + "attention.output.dense", h, h);
      norm(layer + "attention.output.LayerNorm");
      linear(layer + "intermediate.dense", shape_.intermediate, h);
      linear(layer + "output.dense", h, shape_.intermediate);
      norm(layer + "output.LayerNorm");
    }
    linear("bert.pooler.dense", h, h);
    linear("classifier", shape_.labels, h);
    return checkpoint_;
  }

 private:
  void put(const std::string& name, Shape dims, float mean, float spread) {
    std::normal_distribution<float> normal(mean, spread);
    std::vector<float> values(static_cast<std::size_t>(element_count(dims)));
    for (float& v : values) v = normal(random_);
    checkpoint_.tensors[name] = {make_tensor(std::move(dims), std::move(values)), {}, "tiny"};
  }
  void matrix(const std::string& module, int rows, int columns, float spread) {
    put(module + ".weight", {rows, columns}, 0.0F, spread);
  }
  void linear(const std::string& module, int out, int in) {
    matrix(module, out, in, 1.5F / std::sqrt(static_cast<float>(in)));
    put(module + ".bias", {out}, 0.0F, 0.2F);
  }
  void norm(const std::string& module) {
    put(module + ".weight", {shape_.hidden}, 1.0F, 0.2F);
    put(module + ".bias", {shape_.hidden}, 0.0F, 0.2F);
  }

  TinyShape shape_;
  std::mt19937 random_;
  Checkpoint checkpoint_;
};

// Sequences of the given lengths with seeded random ids.
struct TinyBatch {
  std::vector<std::int32_t> ids, types, offsets = {0};
  TinyBatch(const std::vector<int>& lengths, int vocab, unsigned seed) {
    std::mt19937 random(seed);
    for (const int length : lengths) {
      for (int i = 0; i < length; ++i) {
        ids.push_back(static_cast<std::int32_t>(random() % static_cast<unsigned>(vocab)));
        types.push_back(i * 2 > length ? 1 : 0);
      }
      offsets.push_back(static_cast<std::int32_t>(ids.size()));
    }
  }
};

}  // namespace qe::test
