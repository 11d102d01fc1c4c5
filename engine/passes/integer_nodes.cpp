// Decided from the last node back: an op that can only store bytes depends on who reads them.
#include "engine/passes/integer_nodes.h"

#include <algorithm>

#include "engine/passes/rewrite.h"

namespace qe {
namespace {

bool is_static(const Graph& graph, ValueId id) {
  const Value& value = graph.value(id);
  return value.quant && !value.quant->dynamic;
}

class Decision {
 public:
  explicit Decision(const Graph& graph) : graph_(graph), integer_(graph.nodes.size(), false) {}

  std::vector<bool> run() {
    for (std::size_t i = graph_.nodes.size(); i-- > 0;) integer_[i] = decide(graph_.nodes[i]);
    return std::move(integer_);
  }

 private:
  bool decide(const Node& node) const {
    const auto inputs = byte_inputs(graph_, node);
    if (std::holds_alternative<LinearOp>(node.op)) {
      return graph_.value(node.inputs[1]).quant.has_value() &&
             graph_.value(node.inputs[0]).quant.has_value();
    }
    const bool annotated =
        !inputs.empty() && std::all_of(inputs.begin(), inputs.end(),
                                       [&](auto i) { return is_static(graph_, node.inputs[i]); });
    if (!annotated) return false;
    if (std::holds_alternative<AttentionOp>(node.op) ||
        std::holds_alternative<GlobalAveragePoolOp>(node.op)) {
      return true;
    }
    if (const auto* conv = std::get_if<ConvOp>(&node.op)) {
      return graph_.value(node.inputs[1]).quant.has_value() &&
             (!stores_only_bytes(node, *conv) || result_is_bytes(node));
    }
    return result_is_bytes(node);
  }

  // Depthwise kernels have no float result, byte residuals and tables of 256 bytes neither.
  bool stores_only_bytes(const Node& node, const ConvOp& conv) const {
    return is_depthwise(graph_, node) || by_table(conv.activation) || node.inputs[3] != kNoValue;
  }

  bool result_is_bytes(const Node& node) const {
    const ValueId result = node.outputs[0];
    if (!is_static(graph_, result) || graph_.output == result) return false;
    const std::vector<int> readers = consumers(graph_, result);
    return std::all_of(readers.begin(), readers.end(), [&](int reader) {
      const auto at = static_cast<std::size_t>(reader);
      const Node& other = graph_.nodes[at];
      const auto inputs = byte_inputs(graph_, other);
      const auto reads = [&](std::size_t i) {
        return other.inputs[i] != result ||
               std::find(inputs.begin(), inputs.end(), i) != inputs.end();
      };
      for (std::size_t i = 0; i < other.inputs.size(); ++i) {
        if (!reads(i)) return false;
      }
      return static_cast<bool>(integer_[at]);
    });
  }

  const Graph& graph_;
  std::vector<bool> integer_;
};

}  // namespace

bool by_table(Activation activation) { return activation == Activation::kSilu; }

bool is_depthwise(const Graph& graph, const Node& node) {
  const auto* const conv = std::get_if<ConvOp>(&node.op);
  if (conv == nullptr || conv->groups == 1) return false;
  return conv->groups == graph.value(node.inputs[0]).shape[3] &&
         conv->groups == graph.value(node.inputs[1]).shape[0];
}

std::vector<std::size_t> byte_inputs(const Graph& graph, const Node& node) {
  struct Visitor {
    const Graph& graph;
    const Node& node;
    using Inputs = std::vector<std::size_t>;
    Inputs operator()(const LinearOp&) const { return {0}; }
    Inputs operator()(const AttentionOp&) const { return {0, 1, 2}; }
    Inputs operator()(const ConvOp&) const {
      return node.inputs[3] == kNoValue ? Inputs{0} : Inputs{0, 3};
    }
    Inputs operator()(const MaxPoolOp&) const { return {0}; }
    Inputs operator()(const GlobalAveragePoolOp&) const { return {0}; }
    Inputs operator()(const PadChannelsOp&) const { return {0}; }
    Inputs operator()(const ScaleChannelsOp&) const { return {0}; }
    Inputs operator()(const AddOp&) const {
      return is_map(graph.value(node.outputs[0])) ? Inputs{0, 1} : Inputs{};
    }
    Inputs operator()(const ConcatOp&) const {
      Inputs all;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) all.push_back(i);
      return all;
    }
    Inputs operator()(const EmbeddingOp&) const { return {}; }
    Inputs operator()(const LayerNormOp&) const { return {}; }
    Inputs operator()(const ActivationOp&) const { return {}; }
    Inputs operator()(const SelectFirstOp&) const { return {}; }
    Inputs operator()(const QuantizeOp&) const { return {}; }
    Inputs operator()(const ImageOp&) const { return {}; }
    Inputs operator()(const BatchNormOp&) const { return {}; }
    Inputs operator()(const PatchTokensOp&) const { return {}; }
  };
  return std::visit(Visitor{graph, node}, node.op);
}

std::vector<bool> integer_nodes(const Graph& graph) { return Decision(graph).run(); }

bool is_float_product(const Graph& graph, const Node& node) {
  if (const auto* attention = std::get_if<AttentionOp>(&node.op)) return !attention->integer;
  const bool product =
      std::holds_alternative<LinearOp>(node.op) || std::holds_alternative<ConvOp>(node.op);
  return product && graph.value(node.inputs[0]).dtype != DType::kU8;
}

}  // namespace qe
