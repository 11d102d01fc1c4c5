// What timm's config.json says beside the image's description: the architecture's name and the
// arguments it was made with.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include <qe/config.h>

namespace qe {

// config.architecture without the tag of its weights: "resnet50.a1_in1k" is "resnet50". Throws
// LoadError if it is absent.
std::string timm_architecture(const Config& config);

// config.model_args, or an empty object. Those that change nothing when a model runs are allowed;
// throws UnsupportedError for any other that is not `known`, for images that are not RGB, and for
// another global pool than the network's.
Config timm_arguments(const Config& config, std::initializer_list<std::string_view> known,
                      std::string_view global_pool = "avg");

// How the MobileNet family pads and normalizes.
struct ConvStyle {
  int padding;     // ConvShape::kCentred or kSame
  double epsilon;  // of batch norms
};
// `pad_type` and `bn_eps` of the arguments; models ported from TensorFlow ("tf_") pad as it does
// and have its epsilon by default. Throws UnsupportedError for another padding.
ConvStyle timm_conv_style(std::string_view architecture, const Config& arguments);

}  // namespace qe
