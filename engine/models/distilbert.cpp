// DistilBERT for sequence classification (Sanh et al. 2019), as Hugging Face saves it: BERT's
// encoder without token types and pooler, a ReLU layer before the classifier.
#include "engine/models/builder.h"
#include "engine/models/models.h"

#include <qe/error.h>

namespace qe::models {
namespace {

constexpr double kEpsilon = 1e-12;  // fixed in the reference implementation

struct DistilBertConfig {
  explicit DistilBertConfig(const Config& c)
      : hidden(c.integer("dim", 1, 65536)),
        layers(c.integer("n_layers", 1, 1024)),
        heads(c.integer("n_heads", 1, 1024)),
        intermediate(c.integer("hidden_dim", 1, 65536)),
        vocab(c.integer("vocab_size", 1, 1 << 24)),
        positions(c.integer("max_position_embeddings", 1, 1 << 20)),
        activation(parse_activation(c, "activation")) {
    if (hidden % heads != 0) {
      throw LoadError({.problem = "hidden size is not divisible by the number of heads",
                       .file = c.file(),
                       .name = "n_heads",
                       .expected = "a divisor of " + std::to_string(hidden),
                       .actual = std::to_string(heads)});
    }
  }

  std::int64_t hidden, layers, heads, intermediate, vocab, positions;
  Activation activation;
};

ValueId encoder_layer(ModelBuilder& b, const DistilBertConfig& c, ValueId x,
                      const std::string& layer) {
  const std::string self = layer + ".attention";
  const ValueId q = b.linear(x, self + ".q_lin", c.hidden);
  const ValueId k = b.linear(x, self + ".k_lin", c.hidden);
  const ValueId v = b.linear(x, self + ".v_lin", c.hidden);
  const ValueId context = b.attention(q, k, v, self, static_cast<int>(c.heads));
  const ValueId projected = b.linear(context, self + ".out_lin", c.hidden);
  const ValueId attended =
      b.layer_norm(b.add(projected, x, self + ".add"), layer + ".sa_layer_norm", kEpsilon);

  const ValueId wide = b.linear(attended, layer + ".ffn.lin1", c.intermediate);
  const ValueId active = b.activation(wide, layer + ".ffn", c.activation);
  const ValueId narrow = b.linear(active, layer + ".ffn.lin2", c.hidden);
  return b.layer_norm(b.add(narrow, attended, layer + ".ffn.add"), layer + ".output_layer_norm",
                      kEpsilon);
}

}  // namespace

Model distilbert_for_sequence_classification(const Checkpoint& checkpoint) {
  ModelBuilder b(checkpoint);
  const DistilBertConfig c(b.config());
  const auto scope = [&](const std::string& name) { return b.scoped("distilbert.", name); };

  b.ignore(scope("embeddings.position_ids"));
  ValueId x = b.embedding(scope("embeddings"),
                          {{scope("embeddings.word_embeddings"), c.vocab},
                           {scope("embeddings.position_embeddings"), c.positions}},
                          c.hidden);
  x = b.layer_norm(x, scope("embeddings.LayerNorm"), kEpsilon);
  for (std::int64_t i = 0; i < c.layers; ++i) {
    x = encoder_layer(b, c, x, scope("transformer.layer." + std::to_string(i)));
  }
  const ValueId first = b.select_first(x, scope("first_token"));
  const ValueId dense = b.linear(first, "pre_classifier", c.hidden);
  const ValueId active = b.activation(dense, "pre_classifier.relu", Activation::kRelu);
  Model model = b.finish(b.linear(active, "classifier", b.head_rows("classifier")));
  model.vocab_size = static_cast<int>(c.vocab);
  model.max_positions = static_cast<int>(c.positions);
  return model;
}

}  // namespace qe::models
