// The graph of a model: values and nodes in execution order. A value's quantization annotation is
// the single truth that files, passes and kernels are rendered from. Passes rewrite a graph,
// verify() checks it, dump() prints it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <qe/quant.h>
#include <qe/tensor.h>

namespace qe {

// First dimension of an activation's shape: one row for each token of the batch (sequences packed
// one after another, no padding) or for each sequence.
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

enum class ActivationKind : std::uint8_t { kNone, kRelu, kGeluErf, kGeluTanh, kTanh };

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
  ActivationKind activation = ActivationKind::kNone;
};
struct ActivationOp {
  ActivationKind kind = ActivationKind::kNone;
};
// y = a + b.
struct AddOp {};
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

using Op = std::variant<EmbeddingOp, LayerNormOp, LinearOp, ActivationOp, AddOp, AttentionOp,
                        SelectFirstOp, QuantizeOp>;

std::string_view op_name(const Op& op);
std::string_view name(ActivationKind kind);

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
