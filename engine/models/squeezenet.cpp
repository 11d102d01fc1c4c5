// SqueezeNet 1.0 and 1.1 (Iandola et al. 2016), under torchvision's names: fire modules between max
// pools that round up, no batch norm, and a head that is a convolution averaged over the image.
#include <algorithm>
#include <array>
#include <vector>

#include "engine/models/image_builder.h"
#include "engine/models/models.h"
#include "engine/models/timm_config.h"

namespace qe::models {
namespace {

// A layer of `features`, by its index there: a fire module of `squeeze` channels that expands to
// `expand` of each kind, or a max pool.
struct Layer {
  int index;
  int squeeze = 0;
  int expand = 0;
};

struct Variant {
  int stem_channels;
  int stem_kernel;
  std::array<Layer, 11> layers;
};

constexpr Variant kVersion10 = {96,
                                7,
                                {{{2},
                                  {3, 16, 64},
                                  {4, 16, 64},
                                  {5, 32, 128},
                                  {6},
                                  {7, 32, 128},
                                  {8, 48, 192},
                                  {9, 48, 192},
                                  {10, 64, 256},
                                  {11},
                                  {12, 64, 256}}}};
constexpr Variant kVersion11 = {64,
                                3,
                                {{{2},
                                  {3, 16, 64},
                                  {4, 16, 64},
                                  {5},
                                  {6, 32, 128},
                                  {7, 32, 128},
                                  {8},
                                  {9, 48, 192},
                                  {10, 48, 192},
                                  {11, 64, 256},
                                  {12, 64, 256}}}};

ValueId conv_relu(ImageModelBuilder& b, ValueId x, const std::string& name, std::int64_t channels,
                  ConvShape shape) {
  return b.activation(b.conv(x, name, channels, shape), name + ".relu", Activation::kRelu);
}

ValueId fire(ImageModelBuilder& b, ValueId x, const std::string& name, const Layer& layer) {
  x = conv_relu(b, x, name + ".squeeze", layer.squeeze, {});
  const ValueId one = conv_relu(b, x, name + ".expand1x1", layer.expand, {});
  const ValueId three = conv_relu(b, x, name + ".expand3x3", layer.expand, {.kernel = 3});
  return b.concat({one, three}, name + ".concat");
}

}  // namespace

Model squeezenet(const Checkpoint& checkpoint) {
  ImageModelBuilder b(checkpoint);
  timm_arguments(b.config(), {});
  const Variant& variant =
      timm_architecture(b.config()) == "squeezenet1_0" ? kVersion10 : kVersion11;
  ValueId x = conv_relu(b, b.image(), "features.0", variant.stem_channels,
                        {.kernel = variant.stem_kernel, .stride = 2, .padding = 0});
  for (const Layer& layer : variant.layers) {
    const std::string name = "features." + std::to_string(layer.index);
    x = layer.squeeze == 0 ? b.max_pool(x, name, 3, 2, 0, /*ceil_mode=*/true)
                           : fire(b, x, name, layer);
  }
  x = conv_relu(b, x, "classifier.1", b.head_rows("classifier.1"), {});
  return b.finish(b.global_average_pool(x, "avgpool"));
}

}  // namespace qe::models
