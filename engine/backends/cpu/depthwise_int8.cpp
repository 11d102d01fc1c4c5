// Depthwise convolutions in integers, divided by output rows.
#include "engine/backends/cpu/byte_epilogue.h"
#include "engine/backends/cpu/maps.h"

#include <qe/error.h>

namespace qe::cpu {
namespace {

class DepthwiseInt8Step : public Step {
 public:
  kernels::DepthwiseShape shape{};
  const std::int8_t* packed = nullptr;
  const std::int32_t* offset = nullptr;
  std::uint8_t zero_point = 0;
  ByteEpilogue epilogue;
  BufferRef x, y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, shape.out_height, [&](int image, int begin, int end) {
      context.table.depthwise({.shape = shape,
                               .x = x.at<std::uint8_t>(context, image),
                               .x_pixel_stride = x.pixel_bytes,
                               .x_zero_point = zero_point,
                               .packed = packed,
                               .offset = offset,
                               .scale = epilogue.scale,
                               .bias = epilogue.bias,
                               .table = epilogue.table,
                               .out = y.at<std::uint8_t>(context, image),
                               .out_pixel_stride = y.pixel_bytes,
                               .row_begin = begin,
                               .row_end = end});
    });
  }
};

kernels::DepthwiseShape shape_of(const Graph& graph, const Node& node) {
  const auto& op = std::get<ConvOp>(node.op);
  const Value& weight = graph.value(node.inputs[1]);
  const MapShape in = map_shape(graph.value(node.inputs[0]));
  const MapShape out = map_shape(graph.value(node.outputs[0]));
  return {.in_height = in.height,
          .in_width = in.width,
          .channels = in.channels,
          .kernel_height = static_cast<int>(weight.shape[2]),
          .kernel_width = static_cast<int>(weight.shape[3]),
          .stride = op.stride,
          .dilation = op.dilation,
          .pad_top = op.padding.top,
          .pad_left = op.padding.left,
          .out_height = out.height,
          .out_width = out.width};
}

}  // namespace

LoweredStep lower_depthwise_int8(const Node& node, LoweringContext& context) {
  const Value& weight = context.graph.value(node.inputs[1]);
  auto step = std::make_unique<DepthwiseInt8Step>();
  step->shape = shape_of(context.graph, node);
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);

  const std::int32_t zero_point = input_zero_point(node, context);
  const int channels = step->shape.channels;
  const int padded = kernels::round_up(channels, kernels::kColumnGroup);
  const std::size_t bytes = kernels::depthwise_packed_bytes(step->shape);
  auto* const packed = context.weights.allocate<std::int8_t>(bytes);
  auto* const offset = context.weights.allocate<std::int32_t>(static_cast<std::size_t>(padded));
  context.table.pack_depthwise({.w = weight.constant.at(0).data<std::int8_t>().data(),
                                .shape = step->shape,
                                .packed = packed,
                                .weight_sum = offset});
  for (int c = 0; c < padded; ++c) offset[c] *= -zero_point;
  step->packed = packed;
  step->offset = offset;
  step->zero_point = static_cast<std::uint8_t>(zero_point);
  step->epilogue = byte_epilogue(node, channels, padded, context);
  release_source(weight, context.options);

  StepInfo info;
  info.kernel = "depthwise u8s8";
  const Activation activation = std::get<ConvOp>(node.op).activation;
  if (activation != Activation::kNone) {
    info.kernel += " " + std::string(name(activation)) +
                   (step->epilogue.table != nullptr ? " by table" : " by saturation");
  }
  info.kernel += " -> u8";
  info.macs_per_row = conv_macs(context.graph, node);
  info.weight_bytes = bytes;
  return {std::move(step), std::move(info)};
}

}  // namespace qe::cpu
