// What an image model expects of its input: size, geometry and normalization, as timm's config.json
// (pretrained_cfg), Hugging Face's preprocessor settings or torchvision's defaults give it.
#pragma once

#include <array>
#include <cstdint>

#include <qe/config.h>

namespace qe {

enum class Interpolation : std::uint8_t { kBilinear, kBicubic };

struct ImageInput {
  int height = 224;
  int width = 224;
  // The short side is resized to floor(size / crop_pct), then the centre is cut out.
  double crop_pct = 0.875;
  Interpolation interpolation = Interpolation::kBilinear;
  std::array<float, 3> mean = {0.485F, 0.456F, 0.406F};  // of channel values in [0, 1], RGB
  std::array<float, 3> std = {0.229F, 0.224F, 0.225F};
};

// Reads timm's `pretrained_cfg` (nested or at the top level). Absent keys keep the defaults above,
// which are torchvision's for ImageNet. Throws LoadError naming the key.
ImageInput parse_image_input(const Config& config);

}  // namespace qe
