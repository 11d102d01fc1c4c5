// BERT for sequence classification (Devlin et al. 2018), as Hugging Face saves it: post-norm
// encoder, learned absolute positions, tanh pooler on [CLS], one linear classifier. Refuses
// decoders and relative position embeddings.
#include "engine/models/builder.h"
#include "engine/models/models.h"

#include <qe/error.h>

namespace qe::models {
namespace {

struct BertConfig {
  explicit BertConfig(const Config& c)
      : hidden(c.integer("hidden_size", 1, 65536)),
        layers(c.integer("num_hidden_layers", 1, 1024)),
        heads(c.integer("num_attention_heads", 1, 1024)),
        intermediate(c.integer("intermediate_size", 1, 65536)),
        vocab(c.integer("vocab_size", 1, 1 << 24)),
        positions(c.integer("max_position_embeddings", 1, 1 << 20)),
        types(c.integer_or("type_vocab_size", 2, 1, 1 << 16)),
        epsilon(c.real_or("layer_norm_eps", 1e-12, 1e-20, 1.0)),
        activation(parse_activation(c, "hidden_act")) {
    if (hidden % heads != 0) {
      throw LoadError({.problem = "hidden size is not divisible by the number of heads",
                       .file = c.file(),
                       .name = "num_attention_heads",
                       .expected = "a divisor of " + std::to_string(hidden),
                       .actual = std::to_string(heads)});
    }
    const std::string positional = c.string_or("position_embedding_type", "absolute");
    if (positional != "absolute") {
      throw UnsupportedError({.problem = "unsupported position embedding",
                              .file = c.file(),
                              .name = "position_embedding_type",
                              .expected = "absolute",
                              .actual = positional});
    }
    if (c.boolean_or("is_decoder", false)) {
      throw UnsupportedError({.problem = "decoders are not supported",
                              .file = c.file(),
                              .name = "is_decoder",
                              .expected = "false",
                              .actual = "true"});
    }
  }

  std::int64_t hidden, layers, heads, intermediate, vocab, positions, types;
  double epsilon;
  Activation activation;
};

ValueId encoder_layer(ModelBuilder& b, const BertConfig& c, ValueId x, const std::string& layer) {
  const std::string self = layer + ".attention.self";
  const ValueId q = b.linear(x, self + ".query", c.hidden);
  const ValueId k = b.linear(x, self + ".key", c.hidden);
  const ValueId v = b.linear(x, self + ".value", c.hidden);
  const ValueId context = b.attention(q, k, v, self, static_cast<int>(c.heads));

  const std::string output = layer + ".attention.output";
  const ValueId projected = b.linear(context, output + ".dense", c.hidden);
  const ValueId attended =
      b.layer_norm(b.add(projected, x, output + ".add"), output + ".LayerNorm", c.epsilon);

  const ValueId wide = b.linear(attended, layer + ".intermediate.dense", c.intermediate);
  const ValueId active = b.activation(wide, layer + ".intermediate", c.activation);
  const ValueId narrow = b.linear(active, layer + ".output.dense", c.hidden);
  return b.layer_norm(b.add(narrow, attended, layer + ".output.add"), layer + ".output.LayerNorm",
                      c.epsilon);
}

}  // namespace

Model bert_for_sequence_classification(const Checkpoint& checkpoint) {
  ModelBuilder b(checkpoint);
  const BertConfig c(b.config());
  const auto scope = [&](const std::string& name) { return b.scoped("bert.", name); };

  b.ignore(scope("embeddings.position_ids"));
  b.ignore(scope("embeddings.token_type_ids"));
  ValueId x = b.embedding(scope("embeddings"),
                          {{scope("embeddings.word_embeddings"), c.vocab},
                           {scope("embeddings.position_embeddings"), c.positions},
                           {scope("embeddings.token_type_embeddings"), c.types}},
                          c.hidden);
  x = b.layer_norm(x, scope("embeddings.LayerNorm"), c.epsilon);
  for (std::int64_t i = 0; i < c.layers; ++i) {
    x = encoder_layer(b, c, x, scope("encoder.layer." + std::to_string(i)));
  }
  const ValueId first = b.select_first(x, scope("pooler.first_token"));
  const ValueId dense = b.linear(first, scope("pooler.dense"), c.hidden);
  const ValueId pooled = b.activation(dense, scope("pooler"), Activation::kTanh);
  Model model = b.finish(b.linear(pooled, "classifier", b.head_rows("classifier")));
  model.vocab_size = static_cast<int>(c.vocab);
  model.max_positions = static_cast<int>(c.positions);
  model.type_vocab_size = static_cast<int>(c.types);
  return model;
}

}  // namespace qe::models
