// linear -> activation and linear -> add become one node whose epilogue does the rest while the
// accumulators are still in registers.
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace qe {
namespace {

// The linear that makes `id` if nothing but one node reads it; null otherwise.
Node* sole_linear(Graph& graph, ValueId id) {
  if (consumers(graph, id).size() != 1) return nullptr;
  const int maker = producers(graph)[static_cast<std::size_t>(id)];
  if (maker < 0) return nullptr;
  Node& node = graph.nodes[static_cast<std::size_t>(maker)];
  return std::holds_alternative<LinearOp>(node.op) ? &node : nullptr;
}

bool fuse_activation(Graph& graph, const Node& node) {
  Node* const linear = sole_linear(graph, node.inputs[0]);
  if (linear == nullptr) return false;
  auto& op = std::get<LinearOp>(linear->op);
  if (op.activation != ActivationKind::kNone || linear->inputs[3] != kNoValue) return false;
  op.activation = std::get<ActivationOp>(node.op).kind;
  linear->outputs = node.outputs;
  return true;
}

// The other addend must already be there when the linear runs.
bool fuse_residual(Graph& graph, std::size_t add_index) {
  const Node add = graph.nodes[add_index];
  for (std::size_t side = 0; side < 2; ++side) {
    Node* const linear = sole_linear(graph, add.inputs[side]);
    if (linear == nullptr || linear->inputs[3] != kNoValue) continue;
    const ValueId other = add.inputs[1 - side];
    const int made = producers(graph)[static_cast<std::size_t>(other)];
    const auto at = static_cast<int>(linear - graph.nodes.data());
    if (made >= at) continue;
    linear->inputs[3] = other;
    linear->outputs = add.outputs;
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
