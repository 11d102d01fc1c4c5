// Hugging Face, timm or torchvision directory, or a bare state dict, to Checkpoint.
#include <qe/error.h>
#include <qe/load.h>

#include "engine/models/recognize.h"
#include "loaders/compressed_tensors.h"
#include "loaders/file.h"
#include "loaders/model_files.h"
#include "loaders/safetensors.h"
#include "loaders/typed_errors.h"

namespace qe {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxTokenizerBytes = std::size_t{64} << 20;

void require_directory(const fs::path& directory) {
  std::error_code error;
  const fs::file_status status = fs::status(directory, error);
  if (status.type() == fs::file_type::not_found) {
    throw LoadError({.problem = "no such model directory", .file = directory.string()});
  }
  if (error) throw_io_error("cannot examine", directory, error.value());
  if (!fs::is_directory(status)) {
    throw LoadError({.problem = "not a directory",
                     .file = directory.string(),
                     .expected = "a directory with config.json and model.safetensors, or a "
                                 ".safetensors file of torchvision"});
  }
}

// A shard must hold exactly the tensors that the index gives for it.
void check_shard(const TensorMap& tensors, const std::set<std::string>& expected,
                 const fs::path& path) {
  for (const auto& [name, tensor] : tensors) {
    if (!expected.contains(name)) {
      throw LoadError({.problem = "tensor is in a shard that the index does not give for it",
                       .file = path.string(),
                       .name = name});
    }
  }
  for (const std::string& name : expected) {
    if (!tensors.contains(name)) {
      throw LoadError({.problem = "tensor is missing from the shard the index gives for it",
                       .file = path.string(),
                       .name = name});
    }
  }
}

void add_tensors(const fs::path& file, SafetensorsFile&& from, Checkpoint& checkpoint) {
  for (auto& [name, tensor] : from.tensors) {
    checkpoint.tensors.emplace(
        name, StoredTensor{.tensor = std::move(tensor), .quant = {}, .file = file.string()});
  }
}

void load_weights(const fs::path& directory, bool use_mmap, Checkpoint& checkpoint) {
  const WeightFiles files = find_weight_files(directory);
  for (const auto& [shard, expected] : files.shards) {
    const fs::path path = require_file(directory, shard);
    SafetensorsFile file = read_safetensors(path, use_mmap);
    if (files.index) check_shard(file.tensors, expected, path);
    add_tensors(path, std::move(file), checkpoint);
  }
}

Checkpoint load_state_dict(const fs::path& file, bool use_mmap) {
  Checkpoint checkpoint{.config = Config::parse("{}", file.string()), .source = file.string()};
  add_tensors(file, read_safetensors(file, use_mmap), checkpoint);
  checkpoint.config = recognize_architecture(checkpoint.tensors, checkpoint.source);
  return checkpoint;
}

// The state dict that `path` is or has; nothing if it is a directory with a config.
std::optional<fs::path> bare_state_dict(const fs::path& path) {
  if (is_state_dict(path)) return path;
  require_directory(path);
  if (find_in_directory(path, kConfigFile)) return std::nullopt;
  return find_state_dict(path);
}

Checkpoint load(const fs::path& path, const LoadOptions& options) {
  if (const auto file = bare_state_dict(path)) return load_state_dict(*file, options.use_mmap);
  Checkpoint checkpoint{.config = read_config_file(require_file(path, kConfigFile)),
                        .source = path.string()};
  if (const auto file = find_in_directory(path, "preprocessor_config.json")) {
    checkpoint.preprocessor = read_config_file(*file);
  }
  load_weights(path, options.use_mmap, checkpoint);
  absorb_quantization(checkpoint);
  if (const auto file = find_in_directory(path, kPrivateConfigFile)) {
    absorb_private_config(checkpoint, read_config_file(*file));
  }
  return checkpoint;
}

std::optional<TextFile> read_optional(const fs::path& directory, std::string_view name) {
  const auto file = find_in_directory(directory, name);
  if (!file) return std::nullopt;
  return TextFile{.file = file->string(), .text = read_text_file(*file, kMaxTokenizerBytes)};
}

}  // namespace

Checkpoint load_checkpoint(const fs::path& path, const LoadOptions& options) {
  return with_typed_errors(path, [&] { return load(path, options); });
}

InputKind input_kind(const fs::path& path) {
  return with_typed_errors(path, [&] {
    if (const auto file = bare_state_dict(path)) {
      load_state_dict(*file, true);  // those recognized are networks of images
      return InputKind::kImage;
    }
    return input_kind(read_config_file(require_file(path, kConfigFile)));
  });
}

DirectoryTexts read_directory_texts(const fs::path& directory) {
  return with_typed_errors(directory, [&] {
    require_directory(directory);
    return DirectoryTexts{.vocab = read_optional(directory, "vocab.txt"),
                          .tokenizer = read_optional(directory, "tokenizer.json"),
                          .tokenizer_config = read_optional(directory, "tokenizer_config.json")};
  });
}

}  // namespace qe
