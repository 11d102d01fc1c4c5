// What an image model expects of its input: size, geometry and normalization, as timm's config.json
// (pretrained_cfg), Hugging Face's preprocessor settings or torchvision's defaults give it.
#pragma once

#include <array>
#include <cstdint>

#include <qe/config.h>

namespace qe {

enum class Interpolation : std::uint8_t { kBilinear, kBicubic };

enum class ResizeMode : std::uint8_t {
  kShortSide,  // aspect kept: the image just covers resize_width x resize_height
  kSquash,     // to resize_width x resize_height, whatever the aspect
  kNone,       // left as it is
};

struct ImageInput {
  int height = 224;  // of the network's input: the centre of the resized image
  int width = 224;
  ResizeMode resize = ResizeMode::kShortSide;
  int resize_height = 256;
  int resize_width = 256;
  Interpolation interpolation = Interpolation::kBilinear;
  std::array<float, 3> mean = {0.485F, 0.456F, 0.406F};  // of channel values in [0, 1], RGB
  std::array<float, 3> std = {0.229F, 0.224F, 0.225F};
};

// Reads timm's `pretrained_cfg` (nested or at the top level). model_args.img_size, where present,
// is the size; so is `image_size` of a Hugging Face config.json, to which images are squashed.
// Absent keys keep the defaults above, which are torchvision's for ImageNet. Throws LoadError
// naming the key; UnsupportedError for other interpolations, crop modes and channel counts.
ImageInput parse_image_input(const Config& config);

// Reads preprocessor_config.json of a Hugging Face ViT; absent keys take the defaults of
// ViTImageProcessor. A rescale_factor other than 1/255 is folded into mean and std. Throws
// LoadError, UnsupportedError for processors of other families and other interpolations.
ImageInput parse_preprocessor_config(const Config& config);

}  // namespace qe
