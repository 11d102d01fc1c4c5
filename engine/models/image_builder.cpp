// Geometry of convolutions and pools, and the nodes they become.
#include "engine/models/image_builder.h"

#include <algorithm>
#include <utility>

#include <qe/error.h>

namespace qe {
namespace {

// A fault of an architecture's table, for configs are checked when they are read.
void check_window(const std::string& module, const ConvShape& conv, std::int64_t channels) {
  const bool sound = conv.kernel >= 1 && conv.stride >= 1 && conv.dilation >= 1 &&
                     conv.groups >= 1 && channels % conv.groups == 0 &&
                     conv.padding >= ConvShape::kSame;
  if (sound) return;
  throw GraphError({.problem = "kernel, stride, dilation, groups or padding out of range",
                    .name = module,
                    .expected = "positive, groups that divide " + std::to_string(channels),
                    .actual = std::to_string(conv.kernel) + ", " + std::to_string(conv.stride) +
                              ", " + std::to_string(conv.dilation) + ", " +
                              std::to_string(conv.groups) + ", " + std::to_string(conv.padding)});
}

// Padding of one side pair so that ceil(size / stride) windows fit, the odd pixel at the end.
std::pair<int, int> same_padding(std::int64_t size, const ConvShape& conv) {
  const std::int64_t windows = (size + conv.stride - 1) / conv.stride;
  const std::int64_t reach = conv.dilation * (std::int64_t{conv.kernel} - 1) + 1;
  const std::int64_t total = std::max<std::int64_t>((windows - 1) * conv.stride + reach - size, 0);
  return {static_cast<int>(total / 2), static_cast<int>(total - total / 2)};
}

Padding padding_of(const Shape& x, const ConvShape& conv) {
  if (conv.padding == ConvShape::kSame) {
    const auto [top, bottom] = same_padding(x[1], conv);
    const auto [left, right] = same_padding(x[2], conv);
    return {top, left, bottom, right};
  }
  const int side =
      conv.padding == ConvShape::kCentred ? conv.dilation * (conv.kernel - 1) / 2 : conv.padding;
  return {side, side, side, side};
}

// Hugging Face keeps the preparation of images apart from the model, which has their size.
ImageInput input_of(const Checkpoint& checkpoint) {
  const ImageInput own = parse_image_input(checkpoint.config);
  if (!checkpoint.preprocessor || checkpoint.config.has("pretrained_cfg")) return own;
  const ImageInput input = parse_preprocessor_config(*checkpoint.preprocessor);
  if (input.height == own.height && input.width == own.width) return input;
  throw LoadError({.problem = "images are prepared in another size than the model's",
                   .file = checkpoint.preprocessor->file(),
                   .expected = std::to_string(own.height) + " x " + std::to_string(own.width),
                   .actual = std::to_string(input.height) + " x " + std::to_string(input.width)});
}

}  // namespace

ImageModelBuilder::ImageModelBuilder(const Checkpoint& checkpoint)
    : ModelBuilder(checkpoint), input_(input_of(checkpoint)) {}

bool ImageModelBuilder::has(const std::string& tensor) const {
  return checkpoint().tensors.contains(tensor);
}

ValueId ImageModelBuilder::image() {
  return graph().add_node("image", ImageOp{.mean = input_.mean, .std = input_.std}, {},
                          {kSequences, input_.height, input_.width, 3});
}

Shape ImageModelBuilder::conv_output(ValueId x, const std::string& module,
                                     std::int64_t out_channels, const ConvShape& conv,
                                     const Padding& p) const {
  const Shape& in = shape(x);
  const auto windows = [&](std::int64_t size, int padding) {
    const std::int64_t room = size + padding - conv.dilation * (conv.kernel - 1) - 1;
    if (room < 0) {
      throw LoadError({.problem = "the input is too small for this network",
                       .file = checkpoint().source,
                       .name = module,
                       .expected = "an input that leaves a pixel for every layer",
                       .actual = to_string(in)});
    }
    return room / conv.stride + 1;
  };
  return {kSequences, windows(in[1], p.top + p.bottom), windows(in[2], p.left + p.right),
          out_channels};
}

ValueId ImageModelBuilder::add_conv(ValueId x, const std::string& module, std::int64_t out_channels,
                                    const ConvShape& conv, bool bias) {
  const Shape in = shape(x);
  check_window(module, conv, in[3]);
  const ValueId weight =
      constant(module + ".weight", {out_channels, in[3] / conv.groups, conv.kernel, conv.kernel});
  const ValueId b = bias ? constant(module + ".bias", {out_channels}) : kNoValue;
  const Padding padding = padding_of(in, conv);
  return add_module(module,
                    ConvOp{.stride = conv.stride,
                           .dilation = conv.dilation,
                           .groups = conv.groups,
                           .padding = padding},
                    {x, weight, b, kNoValue}, conv_output(x, module, out_channels, conv, padding));
}

ValueId ImageModelBuilder::conv(ValueId x, const std::string& module, std::int64_t out_channels,
                                ConvShape conv) {
  return add_conv(x, module, out_channels, conv, true);
}

ValueId ImageModelBuilder::conv_norm(ValueId x, const std::string& module, const std::string& norm,
                                     std::int64_t out_channels, ConvShape conv, double epsilon) {
  if (checkpoint().quantized()) return add_conv(x, module, out_channels, conv, true);
  return batch_norm(add_conv(x, module, out_channels, conv, false), norm, epsilon);
}

ValueId ImageModelBuilder::batch_norm(ValueId x, const std::string& module, double epsilon) {
  const Shape channels = {shape(x)[3]};
  std::vector<ValueId> inputs = {x};
  for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) {
    inputs.push_back(constant(module + part, channels));
  }
  ignore(module + ".num_batches_tracked");
  return graph().add_node(module, BatchNormOp{static_cast<float>(epsilon)}, std::move(inputs),
                          Shape(shape(x)));
}

ValueId ImageModelBuilder::pointwise_linear(ValueId x, const std::string& module,
                                            std::int64_t out_channels) {
  const std::int64_t in_channels = shape(x).at(1);
  const ValueId weight =
      constant(module + ".weight", {out_channels, in_channels, 1, 1}, {out_channels, in_channels});
  const ValueId bias = constant(module + ".bias", {out_channels});
  return add_module(module, LinearOp{}, {x, weight, bias, kNoValue}, {shape(x)[0], out_channels});
}

ValueId ImageModelBuilder::max_pool(ValueId x, const std::string& name, int kernel, int stride,
                                    int padding, bool ceil_mode) {
  const ConvShape window{.kernel = kernel, .stride = stride, .padding = padding};
  check_window(name, window, shape(x)[3]);
  Padding p = padding_of(shape(x), window);
  if (ceil_mode) {  // a last, partial window that starts inside the image
    const auto partial = [&](std::int64_t size) {
      return size + 2 * padding >= kernel && (size + 2 * padding - kernel) % stride != 0
                 ? stride - static_cast<int>((size + 2 * padding - kernel) % stride)
                 : 0;
    };
    p.bottom += partial(shape(x)[1]);
    p.right += partial(shape(x)[2]);
  }
  return graph().add_node(name, MaxPoolOp{.kernel = kernel, .stride = stride, .padding = p}, {x},
                          conv_output(x, name, shape(x)[3], window, p));
}

ValueId ImageModelBuilder::global_average_pool(ValueId x, const std::string& name) {
  return graph().add_node(name, GlobalAveragePoolOp{}, {x}, {kSequences, shape(x)[3]});
}

ValueId ImageModelBuilder::concat(const std::vector<ValueId>& parts, const std::string& name) {
  Shape out = shape(parts.at(0));
  out[3] = 0;
  for (const ValueId part : parts) out[3] += shape(part)[3];
  return graph().add_node(name, ConcatOp{}, parts, std::move(out));
}

ValueId ImageModelBuilder::scale_channels(ValueId x, ValueId gate, const std::string& name) {
  return graph().add_node(name, ScaleChannelsOp{}, {x, gate}, Shape(shape(x)));
}

ValueId ImageModelBuilder::pad_channels(ValueId x, const std::string& name, int stride,
                                        std::int64_t before, std::int64_t after) {
  const Shape& in = shape(x);
  return graph().add_node(name, PadChannelsOp{.stride = stride, .before = before, .after = after},
                          {x},
                          {kSequences, (in[1] + stride - 1) / stride, (in[2] + stride - 1) / stride,
                           before + in[3] + after});
}

ValueId ImageModelBuilder::patch_tokens(ValueId x, const std::string& name, const std::string& cls,
                                        const std::string& positions) {
  const Shape& in = shape(x);
  const std::int64_t tokens = 1 + in[1] * in[2];
  const std::int64_t width = in[3];
  const ValueId first = constant(cls, {1, 1, width});
  const ValueId position = constant(positions, {1, tokens, width});
  tokens_per_image_ = static_cast<int>(tokens);
  return graph().add_node(name, PatchTokensOp{}, {x, first, position}, {kTokens, width});
}

Model ImageModelBuilder::finish(ValueId logits) {
  Model model = ModelBuilder::finish(logits);
  model.image = input_;
  model.max_positions = tokens_per_image_;
  return model;
}

}  // namespace qe
