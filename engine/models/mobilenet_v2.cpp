// MobileNetV2 (Sandler et al. 2018) of any width, under timm's names (mobilenetv2_050 is half as
// wide; 110d and 120d are deeper as well) and under torchvision's (mobilenet_v2).
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "engine/models/image_builder.h"
#include "engine/models/inverted_residual.h"
#include "engine/models/models.h"
#include "engine/models/timm_config.h"

#include <qe/error.h>

namespace qe::models {
namespace {

// Table 2 of the paper.
struct Stage {
  int expansion, channels, blocks, stride;
};
constexpr Stage kStages[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                             {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
constexpr int kStemChannels = 32;
constexpr int kHeadChannels = 1280;

struct Scale {
  double width = 1;
  double depth = 1;
  bool fixed_ends = false;  // first and last convolution keep their channels
};

// Channels come in eights, and rounding takes away a tenth at most.
std::int64_t round_channels(double channels) {
  const auto rounded = std::max<std::int64_t>(8, static_cast<std::int64_t>(channels + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * channels ? rounded + 8 : rounded;
}

Scale checked(Scale scale, const std::string& file, const std::string& name) {
  if (scale.width >= 0.05 && scale.width <= 10) return scale;
  throw UnsupportedError({.problem = "no MobileNetV2 has this width",
                          .file = file,
                          .name = name,
                          .expected = "0.05 to 10",
                          .actual = std::to_string(scale.width)});
}

// torchvision's name does not say the width; the last block does, for 320 times any multiple of
// 0.025 needs no rounding.
Scale torchvision_scale(const ImageModelBuilder& b) {
  const std::string last = "features.17.conv.2";
  const int channels = kStages[std::size(kStages) - 1].channels;
  return checked({.width = static_cast<double>(b.head_rows(last)) / channels}, b.config().file(),
                 last + ".weight");
}

Scale timm_scale(const Config& config) {
  constexpr std::string_view kPrefix = "mobilenetv2_";
  const std::string name = timm_architecture(config);
  if (name == "mobilenetv2_110d") return {.width = 1.1, .depth = 1.2, .fixed_ends = true};
  if (name == "mobilenetv2_120d") return {.width = 1.2, .depth = 1.4, .fixed_ends = true};
  int percent = 100;  // of torchvision's name
  if (name.starts_with(kPrefix)) {
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), percent);
  }
  return checked({.width = percent / 100.0}, config.file(), "architecture");
}

void name_as_torchvision(const std::string& block, bool expands, InvertedResidual& residual) {
  const std::string conv = block + ".conv.";
  if (expands) residual.expand = {conv + "0.0", conv + "0.1"};
  const std::string at = conv + (expands ? "1" : "0");
  residual.depthwise = {at + ".0", at + ".1"};
  residual.project = expands ? InvertedResidual::Module{conv + "2", conv + "3"}
                             : InvertedResidual::Module{conv + "1", conv + "2"};
}

}  // namespace

Model mobilenet_v2(const Checkpoint& checkpoint) {
  ImageModelBuilder b(checkpoint);
  const Config arguments = timm_arguments(b.config(), {"pad_type", "bn_eps"});
  const ConvStyle style = timm_conv_style(timm_architecture(b.config()), arguments);
  const bool torchvision = b.has("features.0.0.weight");
  const Scale scale = torchvision ? torchvision_scale(b) : timm_scale(b.config());
  const auto conv = [&](ValueId x, const std::string& module, const std::string& norm,
                        std::int64_t channels, ConvShape shape) {
    shape.padding = style.padding;
    x = b.conv_norm(x, module, norm, channels, shape, style.epsilon);
    return b.activation(x, module + ".act", Activation::kRelu6);
  };

  const std::int64_t stem =
      scale.fixed_ends ? kStemChannels : round_channels(kStemChannels * scale.width);
  ValueId x = conv(b.image(), torchvision ? "features.0.0" : "conv_stem",
                   torchvision ? "features.0.1" : "bn1", stem, {.kernel = 3, .stride = 2});
  int index = 1;  // of torchvision's features
  for (std::size_t s = 0; s < std::size(kStages); ++s) {
    const Stage& stage = kStages[s];
    const int blocks =
        stage.blocks == 1 ? 1 : static_cast<int>(std::ceil(stage.blocks * scale.depth));
    for (int i = 0; i < blocks; ++i, ++index) {
      InvertedResidual block = {.depthwise = {}, .project = {}};
      const std::string name = torchvision
                                   ? "features." + std::to_string(index)
                                   : "blocks." + std::to_string(s) + "." + std::to_string(i);
      (torchvision ? name_as_torchvision : name_as_timm)(name, stage.expansion > 1, block);
      block.stride = i == 0 ? stage.stride : 1;
      block.wide = b.shape(x)[3] * stage.expansion;
      block.out = round_channels(stage.channels * scale.width);
      x = inverted_residual(b, x, name, block, Activation::kRelu6, style);
    }
  }
  const std::int64_t head =
      scale.fixed_ends
          ? kHeadChannels
          : std::max<std::int64_t>(kHeadChannels, round_channels(kHeadChannels * scale.width));
  x = conv(x, torchvision ? "features.18.0" : "conv_head", torchvision ? "features.18.1" : "bn2",
           head, {});
  x = b.global_average_pool(x, "avgpool");
  const std::string classifier = torchvision ? "classifier.1" : "classifier";
  return b.finish(b.linear(x, classifier, b.head_rows(classifier)));
}

}  // namespace qe::models
