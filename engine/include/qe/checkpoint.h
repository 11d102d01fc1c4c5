// Checkpoint: a model directory in memory, before it means anything: its configuration, its named
// tensors, and how they are quantized. Loaders make it, builders of models read it, the quantizer
// turns one into another, and the directory writer renders it.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

#include <qe/config.h>
#include <qe/quant.h>
#include <qe/tensor.h>

namespace qe {

struct StoredTensor {
  Tensor tensor;
  std::optional<QuantParams> quant;  // set where `tensor` holds integers that stand for reals
  std::string file;                  // where it came from, for messages
};

// How a module's activations are quantized, as its directory declares it; always as kU8 (files that
// hold s8 zero points have 128 added on loading).
struct ActivationQuant {
  std::optional<QuantParams> input;   // the module's input: dynamic per token, or static
  std::optional<QuantParams> output;  // static only: the output (query, key, value), zero point 128
};

struct Checkpoint {
  Config config;
  std::optional<Config> preprocessor = {};  // preprocessor_config.json of an image model
  std::string source = {};                  // the directory or file, for messages
  // By the names in the files, e.g. "bert.encoder.layer.0.attention.self.query.weight". Scales and
  // zero points of a quantized directory are absorbed into `quant` and do not appear here.
  std::map<std::string, StoredTensor, std::less<>> tensors = {};
  // By module name, e.g. "bert.encoder.layer.0.attention.self.query". Empty for a float model.
  std::map<std::string, ActivationQuant, std::less<>> activations = {};

  // No weights at all: a model built from it is an outline, whose constants have names and shapes
  // but no bytes. It can be looked at, not compiled.
  bool outline = false;

  bool quantized() const { return !activations.empty(); }
};

}  // namespace qe
