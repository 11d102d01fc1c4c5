// Which files make up a model directory. All names are confined to the directory.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <qe/config.h>

namespace qe {

// config.json, qe_config.json and the shard index may not be larger.
inline constexpr std::size_t kMaxJsonBytes = std::size_t{16} << 20;

inline constexpr const char* kConfigFile = "config.json";

// Path of a file that must exist. Throws LoadError, also for what find_in_directory refuses.
std::filesystem::path require_file(const std::filesystem::path& directory, std::string_view name);

// Throws LoadError.
Config read_config_file(const std::filesystem::path& file);

struct WeightFiles {
  std::optional<std::string> index;  // name of the shard index, if there are shards
  // Safetensors files by name; with an index, the tensors it gives for each.
  std::map<std::string, std::set<std::string>> shards;
};

// model.safetensors, or the shards of model.safetensors.index.json. Throws UnsupportedError if
// there are only pickled weights, LoadError if there are none, the index is malformed, or a shard
// is missing or outside the directory.
WeightFiles find_weight_files(const std::filesystem::path& directory);

// Whether `path` is a *.safetensors file.
bool is_state_dict(const std::filesystem::path& path);

// The one *.safetensors file of a directory; nothing if there is none or several. Throws as
// require_file.
std::optional<std::filesystem::path> find_state_dict(const std::filesystem::path& directory);

// Names of the tokenizer's files that exist.
std::vector<std::string> find_companion_files(const std::filesystem::path& directory);

}  // namespace qe
