// EfficientNet-B0 (Tan and Le 2019), under timm's names (tf_efficientnet_b0 is the same network
// with TensorFlow's padding and epsilon) and under torchvision's.
#include "engine/models/image_builder.h"
#include "engine/models/inverted_residual.h"
#include "engine/models/models.h"
#include "engine/models/timm_config.h"

namespace qe::models {
namespace {

// Table 1 of the paper.
struct Stage {
  int expansion, kernel, stride, channels, blocks;
};
constexpr Stage kStages[] = {{1, 3, 1, 16, 1}, {6, 3, 2, 24, 2},  {6, 5, 2, 40, 2},
                             {6, 3, 2, 80, 3}, {6, 5, 1, 112, 3}, {6, 5, 2, 192, 4},
                             {6, 3, 1, 320, 1}};
constexpr int kStemChannels = 32;
constexpr int kHeadChannels = 1280;
constexpr int kSqueeze = 4;  // the block's input channels for each of the gate's

// Without an expanding convolution, the numbers of the others shift.
void name_as_torchvision(const std::string& block, bool expands, InvertedResidual& residual) {
  const auto at = [&](int i) { return block + ".block." + std::to_string(expands ? i : i - 1); };
  if (expands) residual.expand = {at(0) + ".0", at(0) + ".1"};
  residual.depthwise = {at(1) + ".0", at(1) + ".1"};
  residual.squeeze = {at(2) + ".fc1", at(2) + ".fc2", 0};
  residual.project = {at(3) + ".0", at(3) + ".1"};
}

}  // namespace

Model efficientnet(const Checkpoint& checkpoint) {
  ImageModelBuilder b(checkpoint);
  const Config arguments = timm_arguments(b.config(), {"pad_type", "bn_eps"});
  const ConvStyle style = timm_conv_style(timm_architecture(b.config()), arguments);
  const bool torchvision = b.has("features.0.0.weight");
  const auto conv = [&](ValueId x, const std::string& module, const std::string& norm,
                        std::int64_t channels, ConvShape shape) {
    shape.padding = style.padding;
    x = b.conv_norm(x, module, norm, channels, shape, style.epsilon);
    return b.activation(x, module + ".act", Activation::kSilu);
  };

  ValueId x = conv(b.image(), torchvision ? "features.0.0" : "conv_stem",
                   torchvision ? "features.0.1" : "bn1", kStemChannels, {.kernel = 3, .stride = 2});
  for (std::size_t s = 0; s < std::size(kStages); ++s) {
    const Stage& stage = kStages[s];
    for (int i = 0; i < stage.blocks; ++i) {
      InvertedResidual block = {.depthwise = {}, .project = {}};
      const std::string place = std::to_string(torchvision ? s + 1 : s) + "." + std::to_string(i);
      const std::string name = (torchvision ? "features." : "blocks.") + place;
      if (torchvision) {
        name_as_torchvision(name, stage.expansion > 1, block);
      } else {
        name_as_timm(name, stage.expansion > 1, block);
        block.squeeze = {name + ".se.conv_reduce", name + ".se.conv_expand", 0};
      }
      block.squeeze->channels = b.shape(x)[3] / kSqueeze;
      block.kernel = stage.kernel;
      block.stride = i == 0 ? stage.stride : 1;
      block.wide = b.shape(x)[3] * stage.expansion;
      block.out = stage.channels;
      x = inverted_residual(b, x, name, block, Activation::kSilu, style);
    }
  }
  x = conv(x, torchvision ? "features.8.0" : "conv_head", torchvision ? "features.8.1" : "bn2",
           kHeadChannels, {});
  x = b.global_average_pool(x, "avgpool");
  const std::string classifier = torchvision ? "classifier.1" : "classifier";
  return b.finish(b.linear(x, classifier, b.head_rows(classifier)));
}

}  // namespace qe::models
