// Scales, biases and tables, in float as docs/numerics.md says; tables by the reference functions,
// so that every machine makes the same ones.
#include "engine/backends/cpu/byte_epilogue.h"

#include <cmath>
#include <vector>

#include "engine/backends/cpu/maps.h"
#include "engine/passes/integer_nodes.h"
#include "engine/passes/rewrite.h"
#include "kernels/reference/math.h"

#include <qe/error.h>

namespace qe::cpu {
namespace {

float activate(Activation kind, float x) {
  namespace reference = kernels::reference;
  switch (kind) {
    case Activation::kNone:
      return x;
    case Activation::kRelu:
      return reference::maximum(x, 0.0F);
    case Activation::kRelu6:
      return reference::minimum(reference::maximum(x, 0.0F), 6.0F);
    case Activation::kGeluErf:
      return reference::gelu_erf_precise(x);
    case Activation::kGeluTanh:
      return reference::gelu_tanh_precise(x);
    case Activation::kTanh:
      return reference::tanh(x);
    case Activation::kSilu:
      return reference::silu(x);
    case Activation::kSigmoid:
      return reference::sigmoid(x);
  }
  return x;
}

// Bytes before an activation to bytes after it.
const std::uint8_t* make_table(Activation kind, const ByteScale& before, const ByteScale& after,
                               LoweringContext& context) {
  auto* const table = context.weights.allocate<std::uint8_t>(256);
  const float inverse = 1.0F / after.scale;
  for (int byte = 0; byte < 256; ++byte) {
    const float x = before.scale * (static_cast<float>(byte) - before.zero_point);
    table[byte] =
        kernels::reference::round_to_u8(std::fma(activate(kind, x), inverse, after.zero_point));
  }
  return table;
}

// Saturation at the ends of the byte range is the activation itself.
bool saturates(Activation kind, const ByteScale& out) {
  constexpr float kSlack = 1.001F;
  if (kind == Activation::kNone) return true;
  if (out.zero_point != 0.0F) return false;
  if (kind == Activation::kRelu) return true;
  return kind == Activation::kRelu6 && 255.0F * out.scale <= 6.0F * kSlack;
}

// Multiplier and bias of each channel for the real sum, in the image's case with its means.
class RealScales {
 public:
  RealScales(const Node& node, const LoweringContext& context)
      : weight_(context.graph.value(node.inputs[1])),
        input_(*context.graph.value(node.inputs[0]).quant) {
    bias.assign(static_cast<std::size_t>(weight_.shape[0]), 0.0F);
    scale.resize(bias.size());
    if (node.inputs[2] != kNoValue) {
      const Value& given = context.graph.value(node.inputs[2]);
      bias = to_float(given.constant.at(0), given.name);
    }
  }

  void set_plain() {
    const std::vector<float> rows = row_scales(weight_);
    for (std::size_t o = 0; o < scale.size(); ++o) scale[o] = rows[o] * input_.scale.at(0);
  }

  // Each weight's scale times its colour's 1 / (255 std) is one number for the whole channel.
  void set_image(const std::array<float, 3>& mean) {
    const std::vector<float>& given = weight_.quant->scale;
    const auto stored = weight_.constant.at(0).data<std::int8_t>();
    const std::size_t area = stored.size() / (3 * scale.size());
    for (std::size_t o = 0; o < scale.size(); ++o) {
      double shift = 0;
      for (std::size_t c = 0; c < 3; ++c) {
        const float weight_scale = colour_scale(given, o, c);
        const float product = weight_scale * input_.scale.at(c);
        if (c == 0) scale[o] = product;
        if (std::fabs(product - scale[o]) > 1e-5F * scale[o]) refuse();
        std::int64_t sum = 0;
        for (std::size_t i = 0; i < area; ++i) sum += stored[(o * 3 + c) * area + i];
        // real pixel 0 is -mean / std = -255 mean * (1 / (255 std))
        shift += static_cast<double>(sum) * weight_scale * 255.0 * mean[c] * input_.scale[c];
      }
      bias[o] = static_cast<float>(double{bias[o]} - shift);
    }
  }

  std::vector<float> scale, bias;

 private:
  float colour_scale(const std::vector<float>& given, std::size_t o, std::size_t c) const {
    if (given.size() == 3 * scale.size()) return given[3 * o + c];
    return given.size() == scale.size() ? given[o] : given.at(0);
  }
  [[noreturn]] void refuse() const {
    throw UnsupportedError({.problem = "scales of the first layer do not follow the image's",
                            .name = weight_.name,
                            .expected = "one scale for each output channel and colour, "
                                        "proportional to the colours' deviations",
                            .actual = std::to_string(weight_.quant->scale.size()) + " scales"});
  }

  const Value& weight_;
  const QuantParams& input_;
};

}  // namespace

std::int32_t input_zero_point(const Node& node, const LoweringContext& context) {
  const Value& input = context.graph.value(node.inputs[0]);
  return is_pixels(input) ? 0 : input.quant->zero_point.at(0);
}

ByteEpilogue byte_epilogue(const Node& node, int n, int stride, LoweringContext& context) {
  const auto& op = std::get<ConvOp>(node.op);
  const Value& out = context.graph.value(node.outputs[0]);
  RealScales real(node, context);
  if (const ImageOp* const image = image_read_by(context.graph, node)) {
    real.set_image(image->mean);
  } else {
    real.set_plain();
  }
  ByteEpilogue epilogue;
  float multiplier = 1;
  float shift = 0;
  if (out.dtype == DType::kU8) {
    const ByteScale after = byte_scale(out);
    ByteScale before = after;
    if (by_table(op.activation)) {
      if (!op.before_activation) {
        throw GraphError({.problem = "no range is known for what a table's activation reads",
                          .name = node.name});
      }
      before = {op.before_activation->scale.at(0),
                static_cast<float>(op.before_activation->zero_point.at(0))};
    }
    if (!saturates(op.activation, after)) {
      epilogue.table = make_table(op.activation, before, after, context);
    }
    multiplier = 1.0F / before.scale;
    shift = before.zero_point;
    if (node.inputs[3] != kNoValue) {
      const ByteScale added = byte_scale(context.graph.value(node.inputs[3]));
      epilogue.has_residual = true;
      epilogue.residual_scale = added.scale * multiplier;
      shift -= added.zero_point * epilogue.residual_scale;
    }
  }
  const int channels = static_cast<int>(real.bias.size());
  const int elements = channels / n * stride;
  const auto padded = static_cast<std::size_t>(elements);
  auto* const scale = context.weights.allocate<float>(padded);
  auto* const bias = context.weights.allocate<float>(padded);
  for (int c = 0; c < channels; ++c) {
    const int at = c / n * stride + c % n;
    scale[at] = real.scale[static_cast<std::size_t>(c)] * multiplier;
    bias[at] = std::fma(real.bias[static_cast<std::size_t>(c)], multiplier, shift);
  }
  epilogue.scale = scale;
  epilogue.bias = bias;
  return epilogue;
}

}  // namespace qe::cpu
