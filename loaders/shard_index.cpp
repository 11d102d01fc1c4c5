// Parsing of the shard index.
#include "loaders/shard_index.h"

#include <nlohmann/json.hpp>

#include <qe/config.h>
#include <qe/error.h>
#include "loaders/file.h"

namespace qe {
namespace {

constexpr std::size_t kMaxIndexBytes = std::size_t{16} << 20;

}  // namespace

std::map<std::string, std::set<std::string>> read_shard_index(const std::filesystem::path& file) {
  const Config index = Config::parse(read_text_file(file, kMaxIndexBytes), file.string());
  std::map<std::string, std::set<std::string>> shards;
  for (const auto& [tensor, value] : index.object("weight_map").items()) {
    const auto shard = nlohmann::json::parse(value, nullptr, /*allow_exceptions=*/false);
    if (!shard.is_string()) {
      throw LoadError({.problem = "shard is not named by a string",
                       .file = file.string(),
                       .name = "weight_map." + tensor,
                       .expected = "a file name",
                       .actual = value});
    }
    shards[shard.get<std::string>()].insert(tensor);
  }
  if (shards.empty()) {
    throw LoadError({.problem = "index names no tensor", .file = file.string()});
  }
  return shards;
}

}  // namespace qe
