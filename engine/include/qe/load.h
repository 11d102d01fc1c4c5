// Loading of model directories of Hugging Face and timm: config.json, safetensors weights (one file
// or shards) and the texts of the tokenizer; and of torchvision's bare state dicts, whose
// architecture is told from the tensors. Everything read is untrusted.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include <qe/checkpoint.h>
#include <qe/model.h>
#include <qe/tokenizer.h>

namespace qe {

struct LoadOptions {
  // Map the weights instead of reading them: faster, and pages can be given back once packed. The
  // files must then not be truncated by another process while the checkpoint lives.
  bool use_mmap = true;
};

// Reads a directory; one without config.json but with a single *.safetensors file, or that file
// itself, is a state dict (see docs/formats.md for those recognized). Weights stay in the mapped
// files; the scales and zero points of a compressed-tensors directory (8-bit integers, format
// int-quantized) are absorbed into StoredTensor::quant (always kI8, symmetric) and
// Checkpoint::activations (always kU8: a stored i8 zero point has 128 added), the file names of
// both staying in their StoredTensor. Throws LoadError for what is missing, malformed or
// contradictory, UnsupportedError for other weight formats and quantization schemes, IoError,
// ResourceError.
Checkpoint load_checkpoint(const std::filesystem::path& path, const LoadOptions& options = {});

// What the model of a directory or state dict classifies, without reading weights. State dicts are
// taken to be of images; whether they are known is found on loading. Throws as load_checkpoint.
InputKind input_kind(const std::filesystem::path& path);

struct TextFile {
  std::string file;  // path, for messages
  std::string text;  // raw bytes
};

// The texts a tokenizer is made of, where present.
struct DirectoryTexts {
  std::optional<TextFile> vocab;             // vocab.txt
  std::optional<TextFile> tokenizer;         // tokenizer.json
  std::optional<TextFile> tokenizer_config;  // tokenizer_config.json
};

// Throws LoadError above 64 MiB a file, IoError.
DirectoryTexts read_directory_texts(const std::filesystem::path& directory);

// The tokenizer that these texts describe; the directory need not hold a model. Throws what
// read_directory_texts and Tokenizer::load throw.
Tokenizer load_tokenizer(const std::filesystem::path& directory);

}  // namespace qe
