// Feature maps in bytes, everything but convolutions. What only moves bytes needs no scale: both
// sides have the same one.
#include <cstring>

#include "engine/backends/cpu/maps.h"

#include <qe/error.h>

namespace qe::cpu {
namespace {

class ImageBytesStep : public Step {
 public:
  MapShape shape;  // without the border
  Padding border;
  std::array<std::uint8_t, 3> mean{};
  BufferRef y;

  void run(const StepContext& context) const noexcept override {
    const int rows = border.top + shape.height + border.bottom;
    for_own_rows(context, rows, [&](int image, int begin, int end) {
      const std::size_t first = static_cast<std::size_t>(image) * shape.pixels() * 3;
      context.table.expand_image({.x = context.inputs.pixels + first,
                                  .height = shape.height,
                                  .width = shape.width,
                                  .pad_top = border.top,
                                  .pad_left = border.left,
                                  .pad_bottom = border.bottom,
                                  .pad_right = border.right,
                                  .border = {mean[0], mean[1], mean[2]},
                                  .out = y.at<std::uint8_t>(context, image),
                                  .row_begin = begin,
                                  .row_end = end});
    });
  }
};

class MaxPoolInt8Step : public Step {
 public:
  MapShape in, out;
  MaxPoolOp op;
  BufferRef x, y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, out.height, [&](int image, int begin, int end) {
      context.table.max_pool({.x = x.at<std::uint8_t>(context, image),
                              .x_pixel_stride = x.pixel_bytes,
                              .in_height = in.height,
                              .in_width = in.width,
                              .channels = in.channels,
                              .kernel = op.kernel,
                              .stride = op.stride,
                              .pad_top = op.padding.top,
                              .pad_left = op.padding.left,
                              .out_width = out.width,
                              .out = y.at<std::uint8_t>(context, image),
                              .out_pixel_stride = y.pixel_bytes,
                              .row_begin = begin,
                              .row_end = end});
    });
  }
};

// Threads split the channels, so that no partial sums need adding up.
class GlobalAveragePoolInt8Step : public Step {
 public:
  MapShape in;
  float scale = 0, bias = 0;
  BufferRef x, y;

  void run(const StepContext& context) const noexcept override {
    const Part own = split(in.channels, context.parts, context.part, kGroup);
    for (int image = 0; image < context.inputs.sequences; ++image) {
      for (int c = own.begin; c < own.end; c += kGroup) {
        std::uint32_t sum[kGroup];
        const int channels = std::min(kGroup, own.end - c);
        context.table.channel_sums({.x = x.at<std::uint8_t>(context, image) + c,
                                    .x_pixel_stride = x.pixel_bytes,
                                    .pixels = in.pixels(),
                                    .channels = channels,
                                    .sum = sum});
        context.table.channel_mean({.sum = sum,
                                    .channels = channels,
                                    .scale = scale,
                                    .bias = bias,
                                    .mean = y.at<float>(context, image) + c});
      }
    }
  }

 private:
  static constexpr int kGroup = 64;
};

// Copies the parts that were not written in place, those of another scale quantized anew.
class ConcatInt8Step : public Step {
 public:
  struct Input {
    BufferRef x;
    int channel, channels;
    bool same_scale;
    float scale, bias;  // to the whole's bytes
  };
  std::vector<Input> copied;
  int pixels = 0;
  BufferRef y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, pixels, [&](int image, int begin, int end) {
      for (const Input& part : copied) copy(part, context, image, begin, end);
    });
  }

 private:
  void copy(const Input& part, const StepContext& context, int image, int begin,
            int end) const noexcept {
    if (!part.same_scale) {
      context.table.rescale({.x = pixel<std::uint8_t>(part.x, context, image, begin),
                             .x_pixel_stride = part.x.pixel_bytes,
                             .pixels = end - begin,
                             .channels = part.channels,
                             .scale = part.scale,
                             .bias = part.bias,
                             .out = pixel<std::uint8_t>(y, context, image, begin) + part.channel,
                             .out_pixel_stride = y.pixel_bytes});
      return;
    }
    for (int p = begin; p < end; ++p) {
      std::memcpy(pixel<std::uint8_t>(y, context, image, p) + part.channel,
                  pixel<std::uint8_t>(part.x, context, image, p),
                  static_cast<std::size_t>(part.channels));
    }
  }
};

class ScaleChannelsInt8Step : public Step {
 public:
  MapShape shape;
  ByteScale in, out;
  BufferRef x, gate, y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, shape.pixels(), [&](int image, int begin, int end) {
      context.table.scale_channels({.x = pixel<std::uint8_t>(x, context, image, begin),
                                    .x_pixel_stride = x.pixel_bytes,
                                    .pixels = end - begin,
                                    .channels = shape.channels,
                                    .x_zero_point = in.zero_byte(),
                                    .gate = gate.at<float>(context, image),
                                    .scale = in.scale / out.scale,
                                    .out_zero_point = out.zero_point,
                                    .out = pixel<std::uint8_t>(y, context, image, begin),
                                    .out_pixel_stride = y.pixel_bytes});
    });
  }
};

class AddInt8Step : public Step {
 public:
  MapShape shape;
  float a_scale = 0, b_scale = 0, bias = 0;
  BufferRef a, b, y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, shape.pixels(), [&](int image, int begin, int end) {
      context.table.add_bytes({.a = pixel<std::uint8_t>(a, context, image, begin),
                               .a_pixel_stride = a.pixel_bytes,
                               .b = pixel<std::uint8_t>(b, context, image, begin),
                               .b_pixel_stride = b.pixel_bytes,
                               .pixels = end - begin,
                               .channels = shape.channels,
                               .a_scale = a_scale,
                               .b_scale = b_scale,
                               .bias = bias,
                               .out = pixel<std::uint8_t>(y, context, image, begin),
                               .out_pixel_stride = y.pixel_bytes});
    });
  }
};

class PadChannelsInt8Step : public Step {
 public:
  MapShape in, out;
  PadChannelsOp op;
  std::uint8_t zero = 0;
  BufferRef x, y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, out.height, [&](int image, int begin, int end) {
      for (int p = begin * out.width; p < end * out.width; ++p) {
        const int source = p / out.width * op.stride * in.width + p % out.width * op.stride;
        auto* const made = pixel<std::uint8_t>(y, context, image, p);
        std::memset(made, zero, static_cast<std::size_t>(out.channels));
        std::memcpy(made + op.before, pixel<std::uint8_t>(x, context, image, source),
                    static_cast<std::size_t>(in.channels));
      }
    });
  }
};

// Ops that move bytes cannot change what the bytes stand for.
void require_same_scale(const Node& node, const Value& a, const Value& b) {
  if (same_scale(*a.quant, *b.quant)) return;
  throw UnsupportedError({.problem = "an op that moves bytes has different scales on its two sides",
                          .name = node.name,
                          .expected = std::to_string(b.quant->scale.at(0)) + " as " + b.name,
                          .actual = std::to_string(a.quant->scale.at(0))});
}

}  // namespace

LoweredStep lower_image_bytes(const Node& node, LoweringContext& context) {
  const auto& op = std::get<ImageOp>(node.op);
  const Value& out = context.graph.value(node.outputs[0]);
  auto step = std::make_unique<ImageBytesStep>();
  step->border = op.border;
  step->shape = {static_cast<int>(out.shape[1]) - op.border.top - op.border.bottom,
                 static_cast<int>(out.shape[2]) - op.border.left - op.border.right, 3};
  for (std::size_t c = 0; c < 3; ++c) {
    step->mean[c] = static_cast<std::uint8_t>(std::clamp(out.quant->zero_point.at(c), 0, 255));
  }
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "image to four-byte pixels"}};
}

LoweredStep lower_max_pool_int8(const Node& node, LoweringContext& context) {
  const Value& in = context.graph.value(node.inputs[0]);
  const Value& out = context.graph.value(node.outputs[0]);
  require_same_scale(node, in, out);
  auto step = std::make_unique<MaxPoolInt8Step>();
  step->in = map_shape(in);
  step->out = map_shape(out);
  step->op = std::get<MaxPoolOp>(node.op);
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "max_pool u8"}};
}

LoweredStep lower_global_average_pool_int8(const Node& node, LoweringContext& context) {
  const Value& in = context.graph.value(node.inputs[0]);
  const ByteScale read = byte_scale(in);
  auto step = std::make_unique<GlobalAveragePoolInt8Step>();
  step->in = map_shape(in);
  step->scale = read.scale / static_cast<float>(step->in.pixels());
  step->bias = -read.zero_point * read.scale;
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "global_average_pool u8 -> f32"}};
}

LoweredStep lower_concat_int8(const Node& node, LoweringContext& context) {
  const Value& out = context.graph.value(node.outputs[0]);
  auto step = std::make_unique<ConcatInt8Step>();
  step->pixels = map_shape(out).pixels();
  step->y = context.buffer(node.outputs[0]);
  int channel = 0;
  for (const ValueId id : node.inputs) {
    const Value& part = context.graph.value(id);
    const BufferRef x = context.buffer(id);
    const ByteScale from = byte_scale(part);
    const ByteScale to = byte_scale(out);
    const int channels = map_shape(part).channels;
    const bool in_place = x.offset == step->y.offset + static_cast<std::size_t>(channel) &&
                          x.pixel_bytes == step->y.pixel_bytes;
    // The kernel writes whole groups of channels, which must not reach into the next part.
    if (channels % kernels::kColumnGroup != 0) require_same_scale(node, part, out);
    if (!in_place) {
      const float scale = from.scale / to.scale;
      step->copied.push_back({x, channel, channels, same_scale(*part.quant, *out.quant), scale,
                              to.zero_point - from.zero_point * scale});
    }
    channel += channels;
  }
  const char* const kernel = step->copied.empty() ? "concat u8 in place" : "concat u8";
  return {std::move(step), {.name = {}, .kernel = kernel}};
}

LoweredStep lower_scale_channels_int8(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<ScaleChannelsInt8Step>();
  step->shape = map_shape(context.graph.value(node.inputs[0]));
  step->in = byte_scale(context.graph.value(node.inputs[0]));
  step->out = byte_scale(context.graph.value(node.outputs[0]));
  step->x = context.buffer(node.inputs[0]);
  step->gate = context.buffer(node.inputs[1]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "scale_channels u8"}};
}

LoweredStep lower_add_int8(const Node& node, LoweringContext& context) {
  const ByteScale a = byte_scale(context.graph.value(node.inputs[0]));
  const ByteScale b = byte_scale(context.graph.value(node.inputs[1]));
  const ByteScale out = byte_scale(context.graph.value(node.outputs[0]));
  auto step = std::make_unique<AddInt8Step>();
  step->shape = map_shape(context.graph.value(node.outputs[0]));
  step->a_scale = a.scale / out.scale;
  step->b_scale = b.scale / out.scale;
  step->bias = out.zero_point - a.zero_point * step->a_scale - b.zero_point * step->b_scale;
  step->a = context.buffer(node.inputs[0]);
  step->b = context.buffer(node.inputs[1]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "add u8"}};
}

LoweredStep lower_pad_channels_int8(const Node& node, LoweringContext& context) {
  const Value& in = context.graph.value(node.inputs[0]);
  const Value& out = context.graph.value(node.outputs[0]);
  require_same_scale(node, in, out);
  auto step = std::make_unique<PadChannelsInt8Step>();
  step->in = map_shape(in);
  step->out = map_shape(out);
  step->op = std::get<PadChannelsOp>(node.op);
  step->zero = byte_scale(out).zero_byte();
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "pad_channels u8"}};
}

}  // namespace qe::cpu
