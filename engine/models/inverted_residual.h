// The inverted residual block that MobileNetV2 (Sandler et al. 2018) introduced and EfficientNet
// (Tan and Le 2019) extended with squeeze-and-excitation: widen, depthwise convolution, narrow.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/models/image_builder.h"
#include "engine/models/timm_config.h"

namespace qe {

struct InvertedResidual {
  struct Module {
    std::string conv, norm;
  };
  struct SqueezeExcitation {
    std::string reduce, expand;
    std::int64_t channels;  // between the two
  };
  std::optional<Module> expand = {};  // absent in the first block of the networks
  Module depthwise;
  std::optional<SqueezeExcitation> squeeze = {};
  Module project;

  int kernel = 3;
  int stride = 1;
  std::int64_t wide = 0;  // channels of the depthwise convolution
  std::int64_t out = 0;
};

// The names of timm's modules within `block`; the first two orders of kind and number differ.
void name_as_timm(const std::string& block, bool expands, InvertedResidual& residual);

// The block's output, with the shortcut around it where the shapes agree and the stride is 1.
ValueId inverted_residual(ImageModelBuilder& b, ValueId x, const std::string& name,
                          const InvertedResidual& block, Activation activation,
                          const ConvStyle& style);

}  // namespace qe
