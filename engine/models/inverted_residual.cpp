// The block of MobileNetV2 and EfficientNet in the words of the builder.
#include "engine/models/inverted_residual.h"

namespace qe {

void name_as_timm(const std::string& block, bool expands, InvertedResidual& residual) {
  const std::string conv = block + ".conv_";
  const std::string norm = block + ".bn";
  if (expands) {
    residual.expand = {conv + "pw", norm + "1"};
    residual.depthwise = {conv + "dw", norm + "2"};
    residual.project = {conv + "pwl", norm + "3"};
  } else {
    residual.depthwise = {conv + "dw", norm + "1"};
    residual.project = {conv + "pw", norm + "2"};
  }
}

ValueId inverted_residual(ImageModelBuilder& b, ValueId x, const std::string& name,
                          const InvertedResidual& block, Activation activation,
                          const ConvStyle& style) {
  const auto convolve = [&](ValueId in, const InvertedResidual::Module& module,
                            std::int64_t channels, ConvShape shape) {
    shape.padding = style.padding;
    return b.conv_norm(in, module.conv, module.norm, channels, shape, style.epsilon);
  };
  const auto activate = [&](ValueId in, const std::string& module) {
    return b.activation(in, module + ".act", activation);
  };

  ValueId y = x;
  if (block.expand) y = activate(convolve(y, *block.expand, block.wide, {}), block.expand->conv);
  const ConvShape depthwise = {
      .kernel = block.kernel, .stride = block.stride, .groups = static_cast<int>(block.wide)};
  y = activate(convolve(y, block.depthwise, block.wide, depthwise), block.depthwise.conv);
  if (block.squeeze) {
    const auto& [reduce, expand, channels] = *block.squeeze;
    ValueId gate = b.global_average_pool(y, name + ".squeeze");
    gate = b.activation(b.pointwise_linear(gate, reduce, channels), reduce + ".act", activation);
    gate = b.activation(b.pointwise_linear(gate, expand, block.wide), name + ".gate",
                        Activation::kSigmoid);
    y = b.scale_channels(y, gate, name + ".excite");
  }
  y = convolve(y, block.project, block.out, {});
  const bool residual = block.stride == 1 && b.shape(x)[3] == block.out;
  return residual ? b.add(y, x, name + ".add") : y;
}

}  // namespace qe
