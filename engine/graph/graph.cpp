// Building and printing graphs.
#include <qe/graph.h>

#include <utility>

#include <qe/error.h>

namespace qe {
namespace {

template <class... Ts>
struct Overloaded : Ts... {
  using Ts::operator()...;
};
template <class... Ts>
Overloaded(Ts...) -> Overloaded<Ts...>;

std::string symbolic(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (i > 0) text += ", ";
    text += shape[i] == kTokens      ? "tokens"
            : shape[i] == kSequences ? "sequences"
                                     : std::to_string(shape[i]);
  }
  return text + "]";
}

std::string describe_quant(const QuantParams& quant) {
  std::string text;
  switch (quant.granularity) {
    case Granularity::kTensor:
      text = " per tensor";
      break;
    case Granularity::kChannel:
      text = " per channel";
      break;
    case Granularity::kInputChannel:
      text = " per output and input channel";
      break;
    case Granularity::kToken:
      text = " per token";
      break;
  }
  if (quant.floor) text += " above " + std::to_string(*quant.floor);
  return " as " + std::string(name(quant.storage)) + text + (quant.dynamic ? ", dynamic" : "");
}

std::string describe(const Value& value) {
  std::string text = value.name + " " + std::string(name(value.dtype)) + symbolic(value.shape);
  if (value.quant) text += describe_quant(*value.quant);
  return text;
}

std::string fused(Activation activation) {
  return activation == Activation::kNone ? "" : "+" + std::string(name(activation));
}

std::string describe(const Padding& p) {
  if (p.top + p.left + p.bottom + p.right == 0) return "";
  std::string text = " padding ";
  for (const int side : {p.top, p.left, p.bottom, p.right}) text += std::to_string(side) + ",";
  text.pop_back();
  return text;
}

std::string unless_one(const char* what, int value) {
  return value == 1 ? "" : std::string(" ") + what + " " + std::to_string(value);
}

// What an op does beyond its name, where it differs from the plain case.
std::string attributes(const Op& op) {
  return std::visit(
      Overloaded{
          [](const LinearOp& o) { return fused(o.activation); },
          [](const ActivationOp& o) { return " " + std::string(name(o.kind)); },
          [](const ConvOp& o) {
            return fused(o.activation) + unless_one("stride", o.stride) +
                   unless_one("dilation", o.dilation) + unless_one("groups", o.groups) +
                   describe(o.padding);
          },
          [](const MaxPoolOp& o) {
            return " " + std::to_string(o.kernel) + unless_one("stride", o.stride) +
                   describe(o.padding);
          },
          [](const PadChannelsOp& o) { return unless_one("stride", o.stride); },
          [](const ImageOp& o) { return (o.bytes ? " bytes" : "") + describe(o.border); },
          [](const auto&) { return std::string(); },
      },
      op);
}

}  // namespace

std::string_view op_name(const Op& op) {
  return std::visit(Overloaded{
                        [](const EmbeddingOp&) { return "embedding"; },
                        [](const LayerNormOp&) { return "layer_norm"; },
                        [](const LinearOp&) { return "linear"; },
                        [](const ActivationOp&) { return "activation"; },
                        [](const AddOp&) { return "add"; },
                        [](const AttentionOp&) { return "attention"; },
                        [](const SelectFirstOp&) { return "select_first"; },
                        [](const QuantizeOp&) { return "quantize"; },
                        [](const ImageOp&) { return "image"; },
                        [](const ConvOp&) { return "conv"; },
                        [](const BatchNormOp&) { return "batch_norm"; },
                        [](const MaxPoolOp&) { return "max_pool"; },
                        [](const GlobalAveragePoolOp&) { return "global_average_pool"; },
                        [](const ConcatOp&) { return "concat"; },
                        [](const ScaleChannelsOp&) { return "scale_channels"; },
                        [](const PadChannelsOp&) { return "pad_channels"; },
                        [](const PatchTokensOp&) { return "patch_tokens"; },
                    },
                    op);
}

std::string_view name(Activation kind) {
  switch (kind) {
    case Activation::kNone:
      return "none";
    case Activation::kRelu:
      return "relu";
    case Activation::kRelu6:
      return "relu6";
    case Activation::kGeluErf:
      return "gelu_erf";
    case Activation::kGeluTanh:
      return "gelu_tanh";
    case Activation::kTanh:
      return "tanh";
    case Activation::kSilu:
      return "silu";
    case Activation::kSigmoid:
      return "sigmoid";
  }
  return "unknown";
}

ValueId Graph::add_value(Value value) {
  values.push_back(std::move(value));
  return static_cast<ValueId>(values.size()) - 1;
}

ValueId Graph::add_node(std::string name, Op op, std::vector<ValueId> inputs, Shape shape) {
  Value out;
  out.name = name;
  out.shape = std::move(shape);
  const ValueId id = add_value(std::move(out));
  nodes.push_back({std::move(name), std::move(op), std::move(inputs), {id}});
  return id;
}

const Value& Graph::value(ValueId id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= values.size()) {
    throw GraphError({.problem = "no such value", .actual = std::to_string(id)});
  }
  return values[static_cast<std::size_t>(id)];
}

Value& Graph::value(ValueId id) { return const_cast<Value&>(std::as_const(*this).value(id)); }

std::string dump(const Graph& graph) {
  std::string text;
  for (const Node& node : graph.nodes) {
    text += node.name + " = " + std::string(op_name(node.op)) + attributes(node.op);
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) text += "\n    <- " + describe(graph.value(id));
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) text += "\n    -> " + describe(graph.value(id));
    }
    text += "\n";
  }
  return text;
}

}  // namespace qe
