// Hugging Face directory to Checkpoint.
#include <new>

#include <qe/error.h>
#include <qe/load.h>
#include "loaders/compressed_tensors.h"
#include "loaders/file.h"
#include "loaders/safetensors.h"
#include "loaders/shard_index.h"

namespace qe {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;
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

fs::path require_file(const fs::path& directory, std::string_view name) {
  if (auto file = find_in_directory(directory, name)) return *file;
  throw LoadError(
      {.problem = "file is missing", .file = directory.string(), .name = std::string(name)});
}

Config read_config(const fs::path& file) {
  return Config::parse(read_text_file(file, kMaxConfigBytes), file.string());
}

void add_tensors(SafetensorsFile file, const fs::path& path, Checkpoint& checkpoint) {
  for (auto& [name, tensor] : file.tensors) {
    checkpoint.tensors.emplace(
        name, StoredTensor{.tensor = std::move(tensor), .quant = {}, .file = path.string()});
  }
}

void load_shards(const fs::path& directory, const fs::path& index, bool use_mmap,
                 Checkpoint& checkpoint) {
  for (const auto& [shard, expected] : read_shard_index(index)) {
    const fs::path path = require_file(directory, shard);
    SafetensorsFile file = read_safetensors(path, use_mmap);
    for (const auto& [name, tensor] : file.tensors) {
      if (!expected.contains(name)) {
        throw LoadError({.problem = "tensor is in a shard that the index does not give for it",
                         .file = path.string(),
                         .name = name});
      }
    }
    for (const std::string& name : expected) {
      if (!file.tensors.contains(name)) {
        throw LoadError({.problem = "tensor is missing from the shard the index gives for it",
                         .file = path.string(),
                         .name = name});
      }
    }
    add_tensors(std::move(file), path, checkpoint);
  }
}

void load_weights(const fs::path& directory, bool use_mmap, Checkpoint& checkpoint) {
  if (const auto single = find_in_directory(directory, "model.safetensors")) {
    add_tensors(read_safetensors(*single, use_mmap), *single, checkpoint);
    return;
  }
  if (const auto index = find_in_directory(directory, "model.safetensors.index.json")) {
    load_shards(directory, *index, use_mmap, checkpoint);
    return;
  }
  for (const char* pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    if (find_in_directory(directory, pickle)) {
      throw UnsupportedError({.problem = "weights are a PyTorch pickle, which can run code",
                              .file = directory.string(),
                              .name = pickle,
                              .expected = "model.safetensors"});
    }
  }
  throw LoadError({.problem = "no weights",
                   .file = directory.string(),
                   .expected = "model.safetensors or model.safetensors.index.json"});
}

Checkpoint load(const fs::path& directory, const LoadOptions& options) {
  require_directory(directory);
  Checkpoint checkpoint{.config = read_config(require_file(directory, "config.json")),
                        .source = directory.string(),
                        .tensors = {},
                        .activations = {}};
  load_weights(directory, options.use_mmap, checkpoint);
  absorb_quantization(checkpoint);
  if (const auto file = find_in_directory(directory, kPrivateConfigFile)) {
    absorb_private_config(checkpoint, read_config(*file));
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
  try {
    return load(directory, options);
  } catch (const std::bad_alloc&) {
    throw ResourceError({.problem = "not enough memory to load", .file = directory.string()});
  }
}

DirectoryTexts read_directory_texts(const fs::path& directory) {
  require_directory(directory);
  return {.vocab = read_optional(directory, "vocab.txt"),
          .tokenizer = read_optional(directory, "tokenizer.json"),
          .tokenizer_config = read_optional(directory, "tokenizer_config.json")};
}

}  // namespace qe
