// The quantization passes. An annotation on an activation says how it is rendered in bytes;
// insert_quantize makes that rendering a value of its own wherever integers are read, and
// fuse_quantize moves the work to where the value is made.
#include <algorithm>
#include <map>
#include <utility>

#include "engine/passes/integer_nodes.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace qe {
namespace {

// A bound just below every value of an activation function; nothing where it is of no use.
std::optional<float> minimum_of(Activation kind) {
  switch (kind) {
    case Activation::kRelu:
    case Activation::kRelu6:
    case Activation::kSigmoid:
      return 0.0F;
    case Activation::kSilu:  // -0.278465
      return -0.2785F;
    case Activation::kGeluErf:   // -0.169972
    case Activation::kGeluTanh:  // -0.170041
      return -0.17005F;
    case Activation::kNone:
    case Activation::kTanh:
      break;
  }
  return std::nullopt;
}

bool fuse_into_layer_norm(Graph& graph, Node& norm, const Node& quantize) {
  const ValueId y = norm.outputs[0];
  const bool only_reader = only_reader_of(graph, y) != nullptr;
  norm.outputs = {only_reader ? kNoValue : y, quantize.outputs[0]};
  return true;
}

// Integer kernels alone store bytes, and a linear's residual sum stays float.
bool stores_bytes(const Graph& graph, const Node& maker) {
  if (const auto* attention = std::get_if<AttentionOp>(&maker.op)) return attention->integer;
  if (std::holds_alternative<LinearOp>(maker.op) && maker.inputs[3] != kNoValue) return false;
  const bool storable =
      !byte_inputs(graph, maker).empty() && !std::holds_alternative<GlobalAveragePoolOp>(maker.op);
  return storable && graph.value(maker.inputs[0]).dtype == DType::kU8;
}

// Static outputs need no row maximum: the epilogue stores bytes.
bool fuse_into_output(Graph& graph, Node& maker, const Node& quantize) {
  const ValueId y = maker.outputs[0];
  if (graph.value(quantize.outputs[0]).quant->dynamic || !stores_bytes(graph, maker)) return false;
  if (only_reader_of(graph, y) == nullptr) return false;
  maker.outputs = quantize.outputs;
  return true;
}

// Selected rows are what they were selected from.
bool is_selection(const Graph& graph, int node) {
  return std::holds_alternative<SelectFirstOp>(graph.nodes[static_cast<std::size_t>(node)].op);
}

}  // namespace

void mark_integer_attention(Graph& graph) {
  const std::vector<int> made_by = producers(graph);
  for (Node& node : graph.nodes) {
    auto* const op = std::get_if<AttentionOp>(&node.op);
    if (op == nullptr) continue;
    op->integer = std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
      int maker = made_by[static_cast<std::size_t>(id)];
      if (maker >= 0 && is_selection(graph, maker)) {
        maker = made_by[static_cast<std::size_t>(
            graph.nodes[static_cast<std::size_t>(maker)].inputs[0])];
      }
      if (maker < 0) return false;
      const Node& source = graph.nodes[static_cast<std::size_t>(maker)];
      return std::holds_alternative<LinearOp>(source.op) &&
             graph.value(source.inputs[1]).quant.has_value() &&
             graph.value(source.inputs[0]).quant.has_value();
    });
  }
}

void bound_activations(Graph& graph) {
  for (const Node& node : graph.nodes) {
    const auto* const op = std::get_if<LinearOp>(&node.op);
    if (op == nullptr || node.inputs[3] != kNoValue) continue;
    std::optional<QuantParams>& quant = graph.value(node.outputs[0]).quant;
    if (quant && quant->dynamic) quant->floor = minimum_of(op->activation);
  }
}

void insert_quantize(Graph& graph) {
  const std::vector<bool> integer = integer_nodes(graph);
  std::map<ValueId, ValueId> bytes_of;
  std::vector<Node> rewritten;
  for (std::size_t i = 0; i < integer.size(); ++i) {
    Node node = graph.nodes[i];
    for (const std::size_t input :
         integer[i] ? byte_inputs(graph, node) : std::vector<std::size_t>{}) {
      const ValueId id = node.inputs[input];
      const Value source = graph.value(id);
      if (source.dtype == DType::kU8) continue;
      if (!bytes_of.contains(id)) {
        Value out;
        out.name = source.name + ".u8";
        out.shape = source.shape;
        out.dtype = DType::kU8;
        out.quant = source.quant;
        const std::string name = out.name;
        bytes_of[id] = graph.add_value(std::move(out));
        rewritten.push_back({name, QuantizeOp{}, {id}, {bytes_of[id]}});
      }
      node.inputs[input] = bytes_of[id];
    }
    rewritten.push_back(std::move(node));
  }
  graph.nodes = std::move(rewritten);
}

void fuse_quantize(Graph& graph) {
  for (std::size_t i = 0; i < graph.nodes.size();) {
    const Node quantize = graph.nodes[i];
    bool fused = false;
    if (std::holds_alternative<QuantizeOp>(quantize.op)) {
      const int made = producers(graph)[static_cast<std::size_t>(quantize.inputs[0])];
      if (made >= 0) {
        Node& maker = graph.nodes[static_cast<std::size_t>(made)];
        if (std::holds_alternative<LayerNormOp>(maker.op) && maker.outputs.size() == 1) {
          fused = fuse_into_layer_norm(graph, maker, quantize);
        } else {
          fused = fuse_into_output(graph, maker, quantize);
        }
      }
    }
    if (fused) {
      graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
}

}  // namespace qe
