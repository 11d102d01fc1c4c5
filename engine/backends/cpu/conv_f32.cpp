// Convolutions in float: one oneDNN primitive a node, image after image, on the library's threads.
// Beside integer convolutions one thread of the session does them alone.
#include "engine/backends/cpu/maps.h"
#include "kernels/onednn/convolution.h"

namespace qe::cpu {
namespace {

class ConvF32Step : public Step {
 public:
  explicit ConvF32Step(kernels::onednn::Convolution made) : convolution(std::move(made)) {}

  kernels::onednn::Convolution convolution;
  bool has_residual = false;
  BufferRef x, residual, y;

  void run(const StepContext& context) const noexcept override {
    if (context.part != 0) return;
    for (int image = 0; image < context.inputs.sequences; ++image) {
      convolution.run(x.at<float>(context, image),
                      has_residual ? residual.at<float>(context, image) : nullptr,
                      y.at<float>(context, image), context.library_threads, context.scratch);
    }
  }
};

}  // namespace

LoweredStep lower_conv_f32(const Node& node, LoweringContext& context) {
  require_float_products(node);
  const auto& op = std::get<ConvOp>(node.op);
  const Value& weight = context.graph.value(node.inputs[1]);
  const MapShape in = map_shape(context.graph.value(node.inputs[0]));
  const MapShape out = map_shape(context.graph.value(node.outputs[0]));
  const kernels::onednn::ConvolutionShape shape{.in_height = in.height,
                                                .in_width = in.width,
                                                .in_channels = in.channels,
                                                .out_height = out.height,
                                                .out_width = out.width,
                                                .out_channels = out.channels,
                                                .kernel_height = static_cast<int>(weight.shape[2]),
                                                .kernel_width = static_cast<int>(weight.shape[3]),
                                                .stride = op.stride,
                                                .dilation = op.dilation,
                                                .groups = op.groups,
                                                .pad_top = op.padding.top,
                                                .pad_left = op.padding.left,
                                                .pad_bottom = op.padding.bottom,
                                                .pad_right = op.padding.right};
  std::vector<float> weights = to_float(weight.constant.at(0), weight.name);
  dequantize(weight, weights);
  std::vector<float> bias;
  if (node.inputs[2] != kNoValue) {
    const Value& given = context.graph.value(node.inputs[2]);
    bias = to_float(given.constant.at(0), given.name);
  }
  const bool residual = node.inputs[3] != kNoValue;
  auto step = std::make_unique<ConvF32Step>(kernels::onednn::Convolution(
      shape, {.residual = residual, .activation = op.activation}, weights.data(),
      bias.empty() ? nullptr : bias.data(), context.options.threads));
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  step->has_residual = residual;
  if (residual) step->residual = context.buffer(node.inputs[3]);
  context.scratch_bytes = std::max(context.scratch_bytes, step->convolution.scratch_bytes());
  release_source(weight, context.options);

  StepInfo info;
  info.kernel = "conv f32";
  if (op.activation != Activation::kNone) info.kernel += " " + std::string(name(op.activation));
  if (residual) info.kernel += " +residual";
  info.macs_per_row = conv_macs(context.graph, node);
  info.weight_bytes = step->convolution.weight_bytes();
  context.library_weight_bytes += info.weight_bytes;
  return {std::move(step), std::move(info)};
}

std::int64_t conv_macs(const Graph& graph, const Node& node) {
  const Shape& out = graph.value(node.outputs[0]).shape;
  return out[1] * out[2] * element_count(graph.value(node.inputs[1]).shape);
}

}  // namespace qe::cpu
