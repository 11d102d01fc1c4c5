// The graph of a model: values and nodes in execution order. A value's quantization annotation is
// the single truth that files, passes and kernels are rendered from. Passes rewrite a graph,
// verify() checks it, dump() prints it.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <qe/activation.h>
#include <qe/quant.h>
#include <qe/tensor.h>

namespace qe {

// First dimension of an activation's shape: one row for each token of the batch (sequences packed
// one after another, no padding) or for each sequence. An image is a sequence: feature maps are
// [kSequences, height, width, channels] (NHWC).
inline constexpr std::int64_t kTokens = -1;
inline constexpr std::int64_t kSequences = -2;

using ValueId = std::int32_t;
inline constexpr ValueId kNoValue = -1;

struct Value {
  std::string name;  // constants: the tensor's name; activations: the module or step that makes it
  Shape shape;
  DType dtype = DType::kF32;
  std::optional<QuantParams> quant;
  // Weights: one tensor, or several stacked along dimension 0 (passes fuse without copying). Empty
  // for activations.
  std::vector<Tensor> constant;
};

// Whether a value is a feature map: [kSequences, height, width, channels].
inline bool is_map(const Value& value) { return value.shape.size() == 4; }

// Whether a value is the image's four-byte pixels, as ImageOp::bytes makes them.
inline bool is_pixels(const Value& value) {
  return value.dtype == DType::kU8 && value.quant &&
         value.quant->granularity == Granularity::kChannel;
}

// y[t] = word[ids[t]] + position[index in sequence] + type[type_ids[t]].
// Inputs: word table, position table, optionally type table. ONNX: Gather + Add.
struct EmbeddingOp {};
// Inputs x, gamma, beta. Outputs y (may be kNoValue) and, once fused, the quantized y.
struct LayerNormOp {
  float epsilon = 1e-12F;
};
// y = activation(x W^T + b), then + residual. Inputs x, W [out, in], b (or kNoValue), residual (or
// kNoValue). ONNX: Gemm transB.
struct LinearOp {
  Activation activation = Activation::kNone;
};
struct ActivationOp {
  Activation kind = Activation::kNone;
};
// y = a + b.
struct AddOp {};

// The run's images: y = (pixel / 255 - mean) / std for each channel. No inputs; output [kSequences,
// height, width, 3].
struct ImageOp {
  std::array<float, 3> mean = {};
  std::array<float, 3> std = {1, 1, 1};
  // Set by a pass: the output is the pixels' bytes as they are, as four-byte pixels (the fourth
  // zero) within a border of the bytes nearest to the mean: [kSequences, top + height + bottom,
  // left + width + right, 4], annotated with scale 1 / (255 std) and zero point 255 mean.
  bool bytes = false;
  struct Padding {
    int top = 0, left = 0, bottom = 0, right = 0;
  } border = {};
};
using Padding = ImageOp::Padding;

// y = activation(conv(x, W) + b + residual). Inputs x [kSequences, h, w, c], W [out, c / groups,
// kernel height, kernel width], b (or kNoValue), residual (or kNoValue). ONNX: Conv.
struct ConvOp {
  int stride = 1;
  int dilation = 1;
  int groups = 1;
  Padding padding = {};
  Activation activation = Activation::kNone;
  // How the sum is rendered in bytes before an activation that is a table of 256 bytes (SiLU).
  std::optional<QuantParams> before_activation = {};
};
// y = (x - mean) / sqrt(variance + epsilon) * gamma + beta for each channel, with the statistics of
// training. Inputs x, gamma, beta, mean, variance. ONNX: BatchNormalization.
struct BatchNormOp {
  float epsilon = 1e-5F;
};
// Maximum over windows; pixels outside do not count. ONNX: MaxPool.
struct MaxPoolOp {
  int kernel = 2;
  int stride = 2;
  Padding padding = {};
};
// Mean over height and width: [kSequences, h, w, c] -> [kSequences, c].
struct GlobalAveragePoolOp {};
// Feature maps one after another along the channels.
struct ConcatOp {};
// y = x * gate, gate [kSequences, c] for each channel of x: the end of squeeze-and-excitation (Hu
// et al. 2017).
struct ScaleChannelsOp {};
// Every stride-th pixel both ways, with channels of zero before and after: the shortcut without
// parameters of He et al. 2015 (option A).
struct PadChannelsOp {
  int stride = 1;
  std::int64_t before = 0;
  std::int64_t after = 0;
};
// A class token before the pixels of a feature map, row by row, plus position embeddings: inputs x
// [kSequences, h, w, c], class token (c elements), positions ((1 + h * w) * c elements); output
// [kTokens, c] (Dosovitskiy et al. 2020).
struct PatchTokensOp {};
// softmax(Q K^T / sqrt(d)) V within each sequence. Inputs q, k, v: columns [column, column + width)
// of those values, which may be one and the same after fusion. q may have one row a sequence (the
// first token's) instead of one a token.
struct AttentionOp {
  int heads = 1;
  std::int64_t width = 0;  // heads * head size
  std::int64_t q_column = 0;
  std::int64_t k_column = 0;
  std::int64_t v_column = 0;
  bool integer = false;  // products in integers: inputs are quantized by the kernel or are bytes
};
// The first token of each sequence: [tokens, h] -> [sequences, h].
struct SelectFirstOp {};
// f32 -> u8 as the output value's annotation says. ONNX: (Dynamic)QuantizeLinear.
struct QuantizeOp {};

using Op =
    std::variant<EmbeddingOp, LayerNormOp, LinearOp, ActivationOp, AddOp, AttentionOp,
                 SelectFirstOp, QuantizeOp, ImageOp, ConvOp, BatchNormOp, MaxPoolOp,
                 GlobalAveragePoolOp, ConcatOp, ScaleChannelsOp, PadChannelsOp, PatchTokensOp>;

std::string_view op_name(const Op& op);
std::string_view name(Activation kind);

struct Node {
  std::string name;
  Op op;
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
};

struct Graph {
  std::vector<Value> values;
  std::vector<Node> nodes;  // topological order
  ValueId output = kNoValue;

  ValueId add_value(Value value);
  // Adds a node with one new output value of the given name and shape.
  ValueId add_node(std::string name, Op op, std::vector<ValueId> inputs, Shape shape);
  const Value& value(ValueId id) const;
  Value& value(ValueId id);
};

// Checks ids, order, shapes, dtypes and annotations. Throws GraphError naming the node.
void verify(const Graph& graph);

// One line a node: name, op, inputs and outputs with shape, dtype and quantization.
std::string dump(const Graph& graph);

}  // namespace qe
