// Feature maps in float, everything but convolutions: the image, pooling, concatenation, channel
// scaling, option A shortcuts, and the tokens of a vision transformer. Plain loops over NHWC.
#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "engine/backends/cpu/maps.h"

namespace qe::cpu {
namespace {

class ImageF32Step : public Step {
 public:
  MapShape shape;
  std::array<std::array<float, 256>, 3> table;  // by channel and byte
  BufferRef y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, shape.height, [&](int image, int begin, int end) {
      const std::size_t first = static_cast<std::size_t>(image) * shape.pixels() * 3;
      const std::uint8_t* const in = context.inputs.pixels + first;
      float* const out = y.at<float>(context, image);
      for (int i = begin * shape.width * 3; i < end * shape.width * 3; i += 3) {
        for (int c = 0; c < 3; ++c) {
          out[i + c] = table[static_cast<std::size_t>(c)][in[i + c]];
        }
      }
    });
  }
};

class MaxPoolF32Step : public Step {
 public:
  MapShape in, out;
  MaxPoolOp op;
  BufferRef x, y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, out.height, [&](int image, int begin, int end) {
      for (int row = begin; row < end; ++row) {
        for (int column = 0; column < out.width; ++column) window(context, image, row, column);
      }
    });
  }

 private:
  void window(const StepContext& context, int image, int row, int column) const noexcept {
    float* const best = pixel<float>(y, context, image, row * out.width + column);
    std::fill(best, best + out.channels, -std::numeric_limits<float>::infinity());
    const int top = row * op.stride - op.padding.top;
    const int left = column * op.stride - op.padding.left;
    for (int i = std::max(top, 0); i < std::min(top + op.kernel, in.height); ++i) {
      for (int j = std::max(left, 0); j < std::min(left + op.kernel, in.width); ++j) {
        const float* const seen = pixel<float>(x, context, image, i * in.width + j);
        for (int c = 0; c < out.channels; ++c) best[c] = std::max(best[c], seen[c]);
      }
    }
  }
};

class GlobalAveragePoolF32Step : public Step {
 public:
  MapShape in;
  BufferRef x, y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, 1, [&](int image, int, int) {
      float* const mean = y.at<float>(context, image);
      std::fill(mean, mean + in.channels, 0.0F);
      for (int p = 0; p < in.pixels(); ++p) {
        const float* const seen = pixel<float>(x, context, image, p);
        for (int c = 0; c < in.channels; ++c) mean[c] += seen[c];
      }
      for (int c = 0; c < in.channels; ++c) mean[c] /= static_cast<float>(in.pixels());
    });
  }
};

class ConcatF32Step : public Step {
 public:
  struct Input {
    BufferRef x;
    int channels;
  };
  std::vector<Input> parts;
  int pixels = 0;
  BufferRef y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, pixels, [&](int image, int begin, int end) {
      for (int p = begin; p < end; ++p) {
        float* out = pixel<float>(y, context, image, p);
        for (const Input& part : parts) {
          const float* const in = pixel<float>(part.x, context, image, p);
          out = std::copy(in, in + part.channels, out);
        }
      }
    });
  }
};

class ScaleChannelsF32Step : public Step {
 public:
  MapShape shape;
  BufferRef x, gate, y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, shape.pixels(), [&](int image, int begin, int end) {
      const float* const factor = gate.at<float>(context, image);
      for (int p = begin; p < end; ++p) {
        const float* const in = pixel<float>(x, context, image, p);
        float* const out = pixel<float>(y, context, image, p);
        for (int c = 0; c < shape.channels; ++c) out[c] = in[c] * factor[c];
      }
    });
  }
};

class PadChannelsF32Step : public Step {
 public:
  MapShape in, out;
  PadChannelsOp op;
  BufferRef x, y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, out.height, [&](int image, int begin, int end) {
      for (int p = begin * out.width; p < end * out.width; ++p) {
        const int source = p / out.width * op.stride * in.width + p % out.width * op.stride;
        const float* const seen = pixel<float>(x, context, image, source);
        float* const made = pixel<float>(y, context, image, p);
        std::fill(made, made + out.channels, 0.0F);
        std::copy(seen, seen + in.channels, made + op.before);
      }
    });
  }
};

class PatchTokensStep : public Step {
 public:
  int patches = 0;
  int width = 0;
  const float* first = nullptr;
  const float* positions = nullptr;
  BufferRef x, y;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, patches + 1, [&](int image, int begin, int end) {
      for (int t = begin; t < end; ++t) {
        const float* const token = t == 0 ? first : pixel<float>(x, context, image, t - 1);
        const float* const position = positions + static_cast<std::ptrdiff_t>(t) * width;
        float* const out = y.at<float>(context, image * (patches + 1) + t);
        for (int c = 0; c < width; ++c) out[c] = token[c] + position[c];
      }
    });
  }
};

const Value& input(const Node& node, const LoweringContext& context, std::size_t i = 0) {
  return context.graph.value(node.inputs[i]);
}
const Value& output(const Node& node, const LoweringContext& context) {
  return context.graph.value(node.outputs[0]);
}

}  // namespace

LoweredStep lower_image_f32(const Node& node, LoweringContext& context) {
  const auto& op = std::get<ImageOp>(node.op);
  auto step = std::make_unique<ImageF32Step>();
  step->shape = map_shape(output(node, context));
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      step->table[c][byte] = (static_cast<float>(byte) / 255.0F - op.mean[c]) / op.std[c];
    }
  }
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "normalize image -> f32"}};
}

LoweredStep lower_max_pool_f32(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<MaxPoolF32Step>();
  step->in = map_shape(input(node, context));
  step->out = map_shape(output(node, context));
  step->op = std::get<MaxPoolOp>(node.op);
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "max_pool f32"}};
}

LoweredStep lower_global_average_pool_f32(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<GlobalAveragePoolF32Step>();
  step->in = map_shape(input(node, context));
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "global_average_pool f32"}};
}

LoweredStep lower_concat_f32(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<ConcatF32Step>();
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    step->parts.push_back(
        {context.buffer(node.inputs[i]), map_shape(input(node, context, i)).channels});
  }
  step->pixels = map_shape(output(node, context)).pixels();
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "concat f32"}};
}

LoweredStep lower_scale_channels_f32(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<ScaleChannelsF32Step>();
  step->shape = map_shape(input(node, context));
  step->x = context.buffer(node.inputs[0]);
  step->gate = context.buffer(node.inputs[1]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "scale_channels f32"}};
}

LoweredStep lower_pad_channels_f32(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<PadChannelsF32Step>();
  step->in = map_shape(input(node, context));
  step->out = map_shape(output(node, context));
  step->op = std::get<PadChannelsOp>(node.op);
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "pad_channels f32"}};
}

LoweredStep lower_patch_tokens(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<PatchTokensStep>();
  const MapShape in = map_shape(input(node, context));
  step->patches = in.pixels();
  step->width = in.channels;
  step->first = store_floats(input(node, context, 1), context);
  step->positions = store_floats(input(node, context, 2), context);
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "patch tokens"}};
}

}  // namespace qe::cpu
