// linear or conv -> activation and -> add become one node whose epilogue does the rest while the
// accumulators are still in registers. A linear adds the residual after its activation
// (transformers), a convolution before it (residual networks).
#include <algorithm>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace qe {
namespace {

Activation* activation_of(Node& node) {
  if (auto* const linear = std::get_if<LinearOp>(&node.op)) return &linear->activation;
  if (auto* const conv = std::get_if<ConvOp>(&node.op)) return &conv->activation;
  return nullptr;
}

// The linear or convolution that makes `id` if nothing but one node reads it; null otherwise.
Node* sole_product(Graph& graph, ValueId id) {
  if (consumers(graph, id).size() != 1) return nullptr;
  const int maker = producers(graph)[static_cast<std::size_t>(id)];
  if (maker < 0) return nullptr;
  Node& node = graph.nodes[static_cast<std::size_t>(maker)];
  return activation_of(node) != nullptr ? &node : nullptr;
}

bool fuse_activation(Graph& graph, const Node& node) {
  Node* const product = sole_product(graph, node.inputs[0]);
  if (product == nullptr) return false;
  Activation& activation = *activation_of(*product);
  auto* const conv = std::get_if<ConvOp>(&product->op);
  if (activation != Activation::kNone) return false;
  if (product->inputs[3] != kNoValue && conv == nullptr) return false;
  if (conv != nullptr) conv->before_activation = graph.value(node.inputs[0]).quant;
  activation = std::get<ActivationOp>(node.op).kind;
  product->outputs = node.outputs;
  return true;
}

// The product moves to the place of the addition: by then the other addend is there.
bool fuse_residual(Graph& graph, std::size_t add_index) {
  const Node add = graph.nodes[add_index];
  for (std::size_t side = 0; side < 2; ++side) {
    Node* const product = sole_product(graph, add.inputs[side]);
    if (product == nullptr || product->inputs[3] != kNoValue) continue;
    const bool is_conv = std::holds_alternative<ConvOp>(product->op);
    if (is_conv && *activation_of(*product) != Activation::kNone) continue;
    product->inputs[3] = add.inputs[1 - side];
    product->outputs = add.outputs;
    const auto first = graph.nodes.begin() + (product - graph.nodes.data());
    std::rotate(first, first + 1, graph.nodes.begin() + static_cast<std::ptrdiff_t>(add_index));
    return true;
  }
  return false;
}

}  // namespace

void fuse_post_ops(Graph& graph) {
  for (std::size_t i = 0; i < graph.nodes.size();) {
    bool fused = false;
    if (std::holds_alternative<ActivationOp>(graph.nodes[i].op)) {
      const Node activation = graph.nodes[i];
      fused = fuse_activation(graph, activation);
    } else if (std::holds_alternative<AddOp>(graph.nodes[i].op)) {
      fused = fuse_residual(graph, i);
    }
    if (fused) {
      graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i));
    } else {
      ++i;
    }
  }
}

}  // namespace qe
