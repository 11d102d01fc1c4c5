// Image models with random weights in timm's form: any architecture of the list, from its outline.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/types/json_tree.h"
#include "loaders/safetensors.h"

#include <qe/config.h>

namespace qe {

std::vector<std::string> synthetic_image_models();

// config.json of one of them: 224 x 224 pixels.
json::Object synthetic_image_config(std::string_view name, int labels);

// Weights for the image model that `config` names, F32. Convolutions are drawn after He et al.
// (2015), linears after LeCun; the statistics of batch norms are what the network before them gives
// by a count of second moments, so that activations neither die out nor explode at any depth.
TensorMap random_image_weights(const Config& config, std::uint64_t seed);

}  // namespace qe
