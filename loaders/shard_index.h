// model.safetensors.index.json: which shard holds which tensor.
#pragma once

#include <filesystem>
#include <map>
#include <set>
#include <string>

namespace qe {

// Tensor names by shard file name. Shard names are as found; the caller must confine them to the
// directory. Throws LoadError.
std::map<std::string, std::set<std::string>> read_shard_index(const std::filesystem::path& file);

}  // namespace qe
