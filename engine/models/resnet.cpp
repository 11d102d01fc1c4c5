// ResNet (He et al. 2015), ResNeXt (Xie et al. 2016) and Wide ResNet (Zagoruyko and Komodakis 2016)
// for ImageNet, under the names that torchvision and timm share. The stride of a bottleneck is at
// its 3x3 convolution, as in both libraries.
#include <algorithm>
#include <array>

#include "engine/models/image_builder.h"
#include "engine/models/models.h"
#include "engine/models/timm_config.h"

namespace qe::models {
namespace {

struct Variant {
  std::string_view name;
  bool bottleneck;
  std::array<int, 4> blocks;  // of each stage
  int cardinality = 1;        // groups of the 3x3 convolution
  int base_width = 64;        // its channels in each group, of the first stage
};

constexpr std::array kVariants = {
    Variant{"resnet18", false, {2, 2, 2, 2}},
    Variant{"resnet34", false, {3, 4, 6, 3}},
    Variant{"resnet50", true, {3, 4, 6, 3}},
    Variant{"resnet101", true, {3, 4, 23, 3}},
    Variant{"resnet152", true, {3, 8, 36, 3}},
    Variant{"resnext50_32x4d", true, {3, 4, 6, 3}, 32, 4},
    Variant{"wide_resnet50_2", true, {3, 4, 6, 3}, 1, 128},
};

class ResNet {
 public:
  ResNet(ImageModelBuilder& builder, const Variant& variant) : b_(builder), variant_(variant) {}

  ValueId block(ValueId x, const std::string& name, int planes, int stride) {
    const ConvShape spatial = {.kernel = 3, .stride = stride, .groups = variant_.cardinality};
    const int out = variant_.bottleneck ? 4 * planes : planes;
    ValueId y = x;
    if (variant_.bottleneck) {
      const int width = planes * variant_.base_width / 64 * variant_.cardinality;
      y = relu(conv(y, name, "1", width, {}), name + ".relu1");
      y = relu(conv(y, name, "2", width, spatial), name + ".relu2");
      y = conv(y, name, "3", out, {});
    } else {
      y = relu(conv(y, name, "1", out, spatial), name + ".relu1");
      y = conv(y, name, "2", out, {.kernel = 3});
    }
    if (stride != 1 || b_.shape(x)[3] != out) {
      x = b_.conv_norm(x, name + ".downsample.0", name + ".downsample.1", out, {.stride = stride});
    }
    return relu(b_.add(y, x, name + ".add"), name + ".relu");
  }

  ValueId relu(ValueId x, const std::string& name) {
    return b_.activation(x, name, Activation::kRelu);
  }

 private:
  ValueId conv(ValueId x, const std::string& name, const std::string& i, int out, ConvShape shape) {
    return b_.conv_norm(x, name + ".conv" + i, name + ".bn" + i, out, shape);
  }

  ImageModelBuilder& b_;
  const Variant& variant_;
};

}  // namespace

Model resnet(const Checkpoint& checkpoint) {
  ImageModelBuilder b(checkpoint);
  Variant variant = *std::find_if(kVariants.begin(), kVariants.end(), [&](const Variant& v) {
    return v.name == timm_architecture(b.config());
  });
  const Config arguments = variant.bottleneck
                               ? timm_arguments(b.config(), {"cardinality", "base_width"})
                               : timm_arguments(b.config(), {});
  variant.cardinality =
      static_cast<int>(arguments.integer_or("cardinality", variant.cardinality, 1, 1024));
  variant.base_width =
      static_cast<int>(arguments.integer_or("base_width", variant.base_width, 1, 1024));

  ResNet net(b, variant);
  ValueId x = b.conv_norm(b.image(), "conv1", "bn1", 64, {.kernel = 7, .stride = 2});
  x = b.max_pool(net.relu(x, "relu"), "maxpool", 3, 2, 1);
  for (int stage = 0; stage < 4; ++stage) {
    for (int i = 0; i < variant.blocks.at(static_cast<std::size_t>(stage)); ++i) {
      const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(i);
      x = net.block(x, name, 64 << stage, stage > 0 && i == 0 ? 2 : 1);
    }
  }
  x = b.global_average_pool(x, "avgpool");
  return b.finish(b.linear(x, "fc", b.head_rows("fc")));
}

}  // namespace qe::models
