// ResNets for CIFAR-10 (He et al. 2015, section 4.2): 6 n + 2 layers, three stages of 16, 32 and 64
// channels, and the shortcut without parameters (option A). Names of the widespread PyTorch
// version, whose head is called `linear`. Refuses shortcuts with convolutions.
#include <array>
#include <charconv>

#include "engine/models/image_builder.h"
#include "engine/models/models.h"
#include "engine/models/timm_config.h"

#include <qe/error.h>

namespace qe::models {
namespace {

constexpr std::array kStages = {16, 32, 64};

// n of resnet<6 n + 2>_cifar.
int blocks_of_stage(const Config& config) {
  constexpr std::string_view kPrefix = "resnet";
  const std::string name = timm_architecture(config);
  int layers = 0;
  std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), layers);
  if (layers < 8 || layers > 1202 || layers % 6 != 2) {
    throw UnsupportedError({.problem = "no CIFAR ResNet has this depth",
                            .file = config.file(),
                            .name = "architecture",
                            .expected = "6 n + 2 layers, 8 to 1202",
                            .actual = name});
  }
  return (layers - 2) / 6;
}

void require_option_a(const Config& config) {
  const std::string shortcut = config.string_or("shortcut", "A");
  if (shortcut == "A") return;
  throw UnsupportedError({.problem = "unsupported shortcut",
                          .file = config.file(),
                          .name = "shortcut",
                          .expected = "A",
                          .actual = shortcut});
}

ValueId block(ImageModelBuilder& b, ValueId x, const std::string& name, int channels, int stride) {
  const auto relu = [&](ValueId v, const char* suffix) {
    return b.activation(v, name + suffix, Activation::kRelu);
  };
  ValueId y =
      b.conv_norm(x, name + ".conv1", name + ".bn1", channels, {.kernel = 3, .stride = stride});
  y = b.conv_norm(relu(y, ".relu1"), name + ".conv2", name + ".bn2", channels, {.kernel = 3});
  const std::int64_t added = channels - b.shape(x)[3];
  if (stride != 1 || added != 0) {
    x = b.pad_channels(x, name + ".shortcut", stride, added / 2, added - added / 2);
  }
  return relu(b.add(y, x, name + ".add"), ".relu2");
}

}  // namespace

Model resnet_cifar(const Checkpoint& checkpoint) {
  ImageModelBuilder b(checkpoint);
  timm_arguments(b.config(), {});
  require_option_a(b.config());
  const int blocks = blocks_of_stage(b.config());
  ValueId x = b.conv_norm(b.image(), "conv1", "bn1", kStages[0], {.kernel = 3});
  x = b.activation(x, "relu", Activation::kRelu);
  for (std::size_t stage = 0; stage < kStages.size(); ++stage) {
    for (int i = 0; i < blocks; ++i) {
      const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(i);
      x = block(b, x, name, kStages[stage], stage > 0 && i == 0 ? 2 : 1);
    }
  }
  x = b.global_average_pool(x, "avgpool");
  return b.finish(b.linear(x, "linear", b.head_rows("linear")));
}

}  // namespace qe::models
