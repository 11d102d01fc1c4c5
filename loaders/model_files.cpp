// Discovery of the files of a model directory, and the shard index.
#include "loaders/model_files.h"

#include <qe/error.h>

#include "engine/types/json_tree.h"
#include "loaders/file.h"

namespace qe {
namespace fs = std::filesystem;
namespace {

constexpr const char* kSingle = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";

std::map<std::string, std::set<std::string>> read_shard_index(const fs::path& file) {
  const Config index = read_config_file(file);
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [tensor, value] : index.object("weight_map").items()) {
    const json::Value parsed = json::parse(value, file.string());
    const auto* shard = std::get_if<std::string>(&parsed.data);
    if (shard == nullptr) {
      throw LoadError({.problem = "shard is not named by a string",
                       .file = file.string(),
                       .name = "weight_map." + tensor,
                       .expected = "a file name",
                       .actual = value});
    }
    shards[*shard].insert(tensor);
  }
  if (shards.empty()) throw LoadError({.problem = "index names no tensor", .file = file.string()});
  return shards;
}

}  // namespace

fs::path require_file(const fs::path& directory, std::string_view name) {
  if (auto file = find_in_directory(directory, name)) return *file;
  throw LoadError(
      {.problem = "file is missing", .file = directory.string(), .name = std::string(name)});
}

Config read_config_file(const fs::path& file) {
  return Config::parse(read_text_file(file, kMaxJsonBytes), file.string());
}

WeightFiles find_weight_files(const fs::path& directory) {
  if (find_in_directory(directory, kSingle)) return {.index = {}, .shards = {{kSingle, {}}}};
  if (const auto index = find_in_directory(directory, kIndex)) {
    WeightFiles files{.index = kIndex, .shards = read_shard_index(*index)};
    for (const auto& [shard, tensors] : files.shards) require_file(directory, shard);
    return files;
  }
  for (const char* pickle : {"pytorch_model.bin", "pytorch_model.bin.index.json"}) {
    if (find_in_directory(directory, pickle)) {
      throw UnsupportedError({.problem = "weights are a PyTorch pickle, which can run code",
                              .file = directory.string(),
                              .name = pickle,
                              .expected = kSingle});
    }
  }
  throw LoadError({.problem = "no weights",
                   .file = directory.string(),
                   .expected = std::string(kSingle) + " or " + kIndex});
}

bool is_state_dict(const fs::path& path) {
  std::error_code ignored;  // what cannot be examined is reported as a directory is
  return path.extension() == ".safetensors" && fs::is_regular_file(path, ignored);
}

std::optional<fs::path> find_state_dict(const fs::path& directory) {
  std::optional<std::string> found;
  std::error_code ignored;  // what is no directory holds none
  for (const auto& entry : fs::directory_iterator(directory, ignored)) {
    if (entry.path().extension() != ".safetensors") continue;
    if (found) return std::nullopt;
    found = entry.path().filename().string();
  }
  if (!found) return std::nullopt;
  return require_file(directory, *found);
}

std::vector<std::string> find_companion_files(const fs::path& directory) {
  std::vector<std::string> found;
  for (const char* name :
       {"added_tokens.json", "preprocessor_config.json", "special_tokens_map.json",
        "tokenizer.json", "tokenizer_config.json", "vocab.txt"}) {
    if (find_in_directory(directory, name)) found.emplace_back(name);
  }
  return found;
}

}  // namespace qe
