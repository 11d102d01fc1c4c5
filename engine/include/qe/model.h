// Model: the graph a checkpoint stands for, with what a user of its answers needs. Builders for
// each architecture live in engine/models, one file and one line of the list each.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <qe/checkpoint.h>
#include <qe/graph.h>
#include <qe/image_input.h>

namespace qe {

enum class ProblemType : std::uint8_t {
  kSingleLabel,  // softmax over the labels
  kMultiLabel,   // an independent sigmoid for each label
};

struct Model {
  std::string architecture;  // "BertForSequenceClassification"
  Graph graph;
  std::vector<std::string> labels;  // by class index
  ProblemType problem = ProblemType::kSingleLabel;
  std::optional<ImageInput> image;  // set for image models; text models have a vocabulary
  int vocab_size = 0;
  int max_positions = 0;  // longest sequence in tokens; image models: the tokens of an image, or 0
  int type_vocab_size = 0;  // 0: the model has no token types
  std::int64_t parameters = 0;
  std::int64_t weight_bytes = 0;  // of the tensors in their stored form
  bool quantized = false;
};

// Builds the model named by config.architectures. Throws LoadError (a tensor or key is missing,
// extra, mis-shaped or contradicts the config; NaN or Inf in a weight) or UnsupportedError
// (architecture, activation or option not supported; names what is).
Model build_model(const Checkpoint& checkpoint);

// Names build_model accepts.
std::vector<std::string> supported_architectures();

enum class InputKind : std::uint8_t { kText, kImage };

// What the model that `config` describes classifies, found without its weights. Throws LoadError,
// UnsupportedError as build_model.
InputKind input_kind(const Config& config);

}  // namespace qe
