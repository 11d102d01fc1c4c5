// Model directories with seeded random weights, for latency studies and tests: they load, run and
// quantize like real ones, and mean nothing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace qe {

struct SyntheticOptions {
  // Contents of a vocab.txt, which then sets the vocabulary size; without it one is generated with
  // the special tokens, single characters and made-up words.
  std::optional<std::string> vocab = {};
  std::optional<int> labels = {};  // default: 2 of texts, 1000 of images
  bool force = false;              // replace an existing model directory
};

// Names that write_synthetic knows. Texts: "bert-base", "bert-large", "minilm-l6",
// "distilbert-base" and the small "bert-tiny" and "distilbert-tiny" of the tests. Images, by timm's
// names: "resnet18", "resnet50", "mobilenetv2_100", "efficientnet_b0", "squeezenet1_1" and
// "vit_small_patch16_224".
std::vector<std::string> synthetic_models();

// Writes `directory` as a Hugging Face sequence classifier or a timm image classifier. `spec` is a
// name of synthetic_models(), optionally followed by ":seed" (a 64-bit unsigned integer, default
// 0). Weights are F32 and normal, and depend on spec, name and position alone: of texts with
// deviation 0.02 (layer norms around 1), of images such that activations keep their size through
// the network. The directory appears complete or not at all. Throws UsageError for an unknown spec,
// fewer than two labels, a vocabulary without its special tokens or for an image model, or an
// existing directory; IoError.
void write_synthetic(std::string_view spec, const std::filesystem::path& directory,
                     const SyntheticOptions& options = {});

}  // namespace qe
