// Synthetic BERT and DistilBERT classifiers as Hugging Face directories, image classifiers as
// timm's.
#include <qe/synthetic.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <set>

#include <qe/error.h>

#include "engine/types/json_tree.h"
#include "loaders/model_files.h"
#include "loaders/output_file.h"
#include "loaders/safetensors.h"
#include "loaders/staged_directory.h"
#include "loaders/synthetic_images.h"
#include "loaders/synthetic_weights.h"
#include "loaders/typed_errors.h"

namespace qe {
namespace fs = std::filesystem;
namespace {

using json::Array;
using json::Number;
using json::number;
using json::Object;
using json::text;

constexpr float kDeviation = 0.02F;
constexpr int kTextLabels = 2;
constexpr int kImageLabels = 1000;
constexpr std::array<std::string_view, 5> kSpecialTokens = {"[PAD]", "[UNK]", "[CLS]", "[SEP]",
                                                            "[MASK]"};

struct Preset {
  std::string_view name;
  bool distil;
  int hidden, layers, heads, intermediate, positions, vocab;
};

constexpr std::array kPresets = {
    Preset{"bert-base", false, 768, 12, 12, 3072, 512, 30522},
    Preset{"bert-large", false, 1024, 24, 16, 4096, 512, 30522},
    Preset{"minilm-l6", false, 384, 6, 12, 1536, 512, 30522},
    Preset{"distilbert-base", true, 768, 6, 12, 3072, 512, 30522},
    Preset{"bert-tiny", false, 64, 2, 4, 128, 128, 600},
    Preset{"distilbert-tiny", true, 64, 2, 4, 128, 128, 600},
};

struct Spec {
  std::string name;
  std::uint64_t seed = 0;
};

Spec parse_spec(std::string_view spec_text) {
  const std::string name(spec_text.substr(0, spec_text.find(':')));
  const std::vector<std::string> names = synthetic_models();
  if (std::find(names.begin(), names.end(), name) == names.end()) {
    std::string known;
    for (const std::string& n : names) known.append(known.empty() ? "" : ", ").append(n);
    throw UsageError({.problem = "unknown synthetic model",
                      .name = std::string(spec_text),
                      .expected = "one of " + known + ", with an optional :seed"});
  }
  Spec spec{.name = name};
  if (name.size() == spec_text.size()) return spec;
  const std::string_view seed = spec_text.substr(name.size() + 1);
  const auto [end, error] = std::from_chars(seed.data(), seed.data() + seed.size(), spec.seed);
  if (error != std::errc{} || end != seed.data() + seed.size()) {
    throw UsageError({.problem = "seed is not an unsigned 64-bit integer",
                      .name = std::string(spec_text),
                      .actual = std::string(seed)});
  }
  return spec;
}

// Special tokens, the printable ASCII characters alone and as continuations, then made-up words
// over a-z by length, each followed by its continuation.
std::string generate_vocab(int size) {
  std::string vocab;
  int count = 0;
  const auto add = [&](std::string_view prefix, std::string_view token) {
    if (count == size) return;
    vocab.append(prefix).append(token).append("\n");
    ++count;
  };
  for (const std::string_view token : kSpecialTokens) add("", token);
  for (char c = '!'; c <= '~'; ++c) {
    if (c >= 'A' && c <= 'Z') continue;  // uncased
    add("", {&c, 1});
    add("##", {&c, 1});
  }
  std::string word = "aa";
  while (count < size) {
    add("", word);
    add("##", word);
    std::size_t i = word.size();
    while (i > 0 && word[i - 1] == 'z') word[--i] = 'a';
    if (i == 0) {
      word += 'a';
    } else {
      ++word[i - 1];
    }
  }
  return vocab;
}

// Tokens of a vocab.txt; the last line may lack its newline.
std::int64_t count_tokens(const std::string& vocab) {
  std::set<std::string_view> missing(kSpecialTokens.begin(), kSpecialTokens.end());
  std::int64_t count = 0;
  for (std::size_t begin = 0; begin < vocab.size(); ++count) {
    const std::size_t end = std::min(vocab.find('\n', begin), vocab.size());
    std::string_view token(vocab.data() + begin, end - begin);
    if (token.ends_with('\r')) token.remove_suffix(1);
    missing.erase(token);
    begin = end + 1;
  }
  if (!missing.empty()) {
    throw UsageError(
        {.problem = "vocabulary lacks a special token", .name = std::string(*missing.begin())});
  }
  return count;
}

class WeightMaker {
 public:
  explicit WeightMaker(std::uint64_t seed) : seed_(seed) {}

  void matrix(const std::string& name, std::int64_t rows, std::int64_t cols) {
    add(name + ".weight", {rows, cols}, 0.0F);
  }
  void linear(const std::string& name, std::int64_t out, std::int64_t in) {
    matrix(name, out, in);
    add(name + ".bias", {out}, 0.0F);
  }
  void layer_norm(const std::string& name, std::int64_t size) {
    add(name + ".weight", {size}, 1.0F);
    add(name + ".bias", {size}, 0.0F);
  }
  const TensorMap& tensors() const { return tensors_; }

 private:
  void add(const std::string& name, Shape shape, float mean) {
    tensors_[name] = random_normal(name, seed_, std::move(shape), mean, kDeviation);
  }

  std::uint64_t seed_;
  TensorMap tensors_;
};

void make_bert(const Preset& p, std::int64_t vocab, int labels, WeightMaker& make) {
  const std::string embeddings = "bert.embeddings.";
  make.matrix(embeddings + "word_embeddings", vocab, p.hidden);
  make.matrix(embeddings + "position_embeddings", p.positions, p.hidden);
  make.matrix(embeddings + "token_type_embeddings", 2, p.hidden);
  make.layer_norm(embeddings + "LayerNorm", p.hidden);
  for (int i = 0; i < p.layers; ++i) {
    const std::string layer = "bert.encoder.layer." + std::to_string(i) + ".";
    for (const char* part : {"query", "key", "value"}) {
      make.linear(layer + "attention.self." + part, p.hidden, p.hidden);
    }
    make.linear(layer + "attention.output.dense", p.hidden, p.hidden);
    make.layer_norm(layer + "attention.output.LayerNorm", p.hidden);
    make.linear(layer + "intermediate.dense", p.intermediate, p.hidden);
    make.linear(layer + "output.dense", p.hidden, p.intermediate);
    make.layer_norm(layer + "output.LayerNorm", p.hidden);
  }
  make.linear("bert.pooler.dense", p.hidden, p.hidden);
  make.linear("classifier", labels, p.hidden);
}

void make_distilbert(const Preset& p, std::int64_t vocab, int labels, WeightMaker& make) {
  const std::string embeddings = "distilbert.embeddings.";
  make.matrix(embeddings + "word_embeddings", vocab, p.hidden);
  make.matrix(embeddings + "position_embeddings", p.positions, p.hidden);
  make.layer_norm(embeddings + "LayerNorm", p.hidden);
  for (int i = 0; i < p.layers; ++i) {
    const std::string layer = "distilbert.transformer.layer." + std::to_string(i) + ".";
    for (const char* part : {"q_lin", "k_lin", "v_lin", "out_lin"}) {
      make.linear(layer + "attention." + part, p.hidden, p.hidden);
    }
    make.layer_norm(layer + "sa_layer_norm", p.hidden);
    make.linear(layer + "ffn.lin1", p.intermediate, p.hidden);
    make.linear(layer + "ffn.lin2", p.hidden, p.intermediate);
    make.layer_norm(layer + "output_layer_norm", p.hidden);
  }
  make.linear("pre_classifier", p.hidden, p.hidden);
  make.linear("classifier", labels, p.hidden);
}

Object make_config(const Preset& p, std::int64_t vocab, int labels) {
  Object id2label;
  Object label2id;
  for (int i = 0; i < labels; ++i) {
    const std::string label = "LABEL_" + std::to_string(i);
    id2label.emplace_back(std::to_string(i), text(label));
    label2id.emplace_back(label, number(i));
  }
  Object config;
  if (p.distil) {
    config = {{"architectures", {Array{text("DistilBertForSequenceClassification")}}},
              {"model_type", text("distilbert")},
              {"dim", number(p.hidden)},
              {"hidden_dim", number(p.intermediate)},
              {"n_layers", number(p.layers)},
              {"n_heads", number(p.heads)},
              {"activation", text("gelu")},
              {"sinusoidal_pos_embds", {false}}};
  } else {
    config = {{"architectures", {Array{text("BertForSequenceClassification")}}},
              {"model_type", text("bert")},
              {"hidden_size", number(p.hidden)},
              {"intermediate_size", number(p.intermediate)},
              {"num_hidden_layers", number(p.layers)},
              {"num_attention_heads", number(p.heads)},
              {"hidden_act", text("gelu")},
              {"layer_norm_eps", {Number{"1e-12", false}}},
              {"type_vocab_size", number(2)},
              {"position_embedding_type", text("absolute")}};
  }
  config.insert(config.end(), {{"max_position_embeddings", number(p.positions)},
                               {"vocab_size", number(vocab)},
                               {"pad_token_id", number(0)},
                               {"id2label", {std::move(id2label)}},
                               {"label2id", {std::move(label2id)}},
                               {"problem_type", text("single_label_classification")},
                               {"dtype", text("float32")},
                               {"torch_dtype", text("float32")}});
  return config;
}

Object make_tokenizer_config(const Preset& p) {
  return {{"tokenizer_class", text(p.distil ? "DistilBertTokenizer" : "BertTokenizer")},
          {"do_lower_case", {true}},
          {"model_max_length", number(p.positions)},
          {"pad_token", text("[PAD]")},
          {"unk_token", text("[UNK]")},
          {"cls_token", text("[CLS]")},
          {"sep_token", text("[SEP]")},
          {"mask_token", text("[MASK]")}};
}

void write_json(const fs::path& file, Object object) {
  write_text_file(file, json::dump({std::move(object)}, 2) + "\n");
}

int checked_labels(const SyntheticOptions& options, int fallback) {
  const int labels = options.labels.value_or(fallback);
  if (labels >= 2) return labels;
  throw UsageError(
      {.problem = "too few labels", .expected = "at least 2", .actual = std::to_string(labels)});
}

void write_text_model(const Preset& preset, std::uint64_t seed, const fs::path& directory,
                      const SyntheticOptions& options) {
  const int labels = checked_labels(options, kTextLabels);
  const std::string vocab = options.vocab ? *options.vocab : generate_vocab(preset.vocab);
  const std::int64_t tokens = count_tokens(vocab);
  StagedDirectory staged(directory, options.force);
  write_json(staged.path() / "config.json", make_config(preset, tokens, labels));
  write_json(staged.path() / "tokenizer_config.json", make_tokenizer_config(preset));
  write_text_file(staged.path() / "vocab.txt", vocab);
  WeightMaker maker(seed);
  (preset.distil ? make_distilbert : make_bert)(preset, tokens, labels, maker);
  write_safetensors(staged.path() / "model.safetensors", maker.tensors(), {{"format", "pt"}});
  staged.commit();
}

void write_image_model(const Spec& spec, const fs::path& directory,
                       const SyntheticOptions& options) {
  const int labels = checked_labels(options, kImageLabels);
  if (options.vocab) {
    throw UsageError({.problem = "an image model has no vocabulary", .name = spec.name});
  }
  StagedDirectory staged(directory, options.force);
  const fs::path file = staged.path() / "config.json";
  write_json(file, synthetic_image_config(spec.name, labels));
  write_safetensors(staged.path() / "model.safetensors",
                    random_image_weights(read_config_file(file), spec.seed), {{"format", "pt"}});
  staged.commit();
}

void write(std::string_view spec_text, const fs::path& directory, const SyntheticOptions& options) {
  const Spec spec = parse_spec(spec_text);
  for (const Preset& preset : kPresets) {
    if (preset.name == spec.name) return write_text_model(preset, spec.seed, directory, options);
  }
  write_image_model(spec, directory, options);
}

}  // namespace

std::vector<std::string> synthetic_models() {
  std::vector<std::string> names;
  names.reserve(std::size(kPresets));
  for (const Preset& preset : kPresets) names.emplace_back(preset.name);
  for (std::string& name : synthetic_image_models()) names.push_back(std::move(name));
  return names;
}

void write_synthetic(std::string_view spec, const fs::path& directory,
                     const SyntheticOptions& options) {
  with_typed_errors(directory, [&] { write(spec, directory, options); });
}

}  // namespace qe
