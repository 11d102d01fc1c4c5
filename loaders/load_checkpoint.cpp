// Hugging Face directory to Checkpoint.
#include <qe/error.h>
#include <qe/load.h>

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
                     .expected = "a directory with config.json and model.safetensors"});
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

void load_weights(const fs::path& directory, bool use_mmap, Checkpoint& checkpoint) {
  const WeightFiles files = find_weight_files(directory);
  for (const auto& [shard, expected] : files.shards) {
    const fs::path path = require_file(directory, shard);
    SafetensorsFile file = read_safetensors(path, use_mmap);
    if (files.index) check_shard(file.tensors, expected, path);
    for (auto& [name, tensor] : file.tensors) {
      checkpoint.tensors.emplace(
          name, StoredTensor{.tensor = std::move(tensor), .quant = {}, .file = path.string()});
    }
  }
}

Checkpoint load(const fs::path& directory, const LoadOptions& options) {
  require_directory(directory);
  Checkpoint checkpoint{.config = read_config_file(require_file(directory, "config.json")),
                        .source = directory.string(),
                        .tensors = {},
                        .activations = {}};
  load_weights(directory, options.use_mmap, checkpoint);
  absorb_quantization(checkpoint);
  if (const auto file = find_in_directory(directory, kPrivateConfigFile)) {
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

Checkpoint load_checkpoint(const fs::path& directory, const LoadOptions& options) {
  return with_typed_errors(directory, [&] { return load(directory, options); });
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
