// Query, key and value are products of one input: their weights are stacked into one [q + k + v,
// in] matrix, so the input is read once and the product is wide. Where the query has rows of its
// own (one a sequence), key and value alone are stacked. What a checkpoint stores stacked stays so.
#include <utility>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

#include <qe/error.h>

namespace qe {
namespace {

struct Slice {
  ValueId value;
  std::int64_t AttentionOp::*column;
};

std::optional<QuantParams> stack_quant(const Graph& graph, const std::vector<ValueId>& parts) {
  if (!graph.value(parts[0]).quant) return std::nullopt;
  QuantParams quant = *graph.value(parts[0]).quant;
  quant.granularity = Granularity::kChannel;
  quant.scale.clear();
  quant.zero_point.clear();
  for (const ValueId id : parts) {
    const Value& value = graph.value(id);
    const auto rows = static_cast<std::size_t>(value.shape[0]);
    const auto& scale = value.quant->scale;
    for (std::size_t i = 0; i < rows; ++i) quant.scale.push_back(scale[scale.size() == 1 ? 0 : i]);
  }
  return quant;
}

ValueId stack_constant(Graph& graph, const std::vector<ValueId>& parts, const std::string& name) {
  Value value;
  value.name = name;
  value.dtype = graph.value(parts[0]).dtype;
  value.shape = graph.value(parts[0]).shape;
  value.shape[0] = 0;
  for (const ValueId id : parts) {
    const Value& part = graph.value(id);
    value.shape[0] += part.shape[0];
    value.constant.insert(value.constant.end(), part.constant.begin(), part.constant.end());
  }
  value.quant = stack_quant(graph, parts);
  return graph.add_value(std::move(value));
}

// The output of the stacked product carries the static annotations of its parts, one scale each.
std::optional<QuantParams> output_quant(const Graph& graph, const std::vector<ValueId>& outputs) {
  for (const ValueId id : outputs) {
    if (!graph.value(id).quant) return std::nullopt;
  }
  QuantParams quant = *graph.value(outputs[0]).quant;
  quant.granularity = Granularity::kChannel;
  quant.scale.clear();
  quant.zero_point.clear();
  for (const ValueId id : outputs) {
    const QuantParams& part = *graph.value(id).quant;
    quant.scale.push_back(part.scale.at(0));
    quant.zero_point.push_back(part.zero_point.empty() ? 0 : part.zero_point[0]);
  }
  return quant;
}

bool stackable(const Graph& graph, const Node& a, const Node& b) {
  if (&a == &b) return false;  // side by side already
  const auto* x = std::get_if<LinearOp>(&a.op);
  const auto* y = std::get_if<LinearOp>(&b.op);
  if (x == nullptr || y == nullptr || a.inputs[0] != b.inputs[0]) return false;
  if (x->activation != Activation::kNone || y->activation != Activation::kNone) return false;
  if (a.inputs[3] != kNoValue || b.inputs[3] != kNoValue) return false;
  if (a.inputs[2] == kNoValue || b.inputs[2] == kNoValue) return false;
  const Value& wa = graph.value(a.inputs[1]);
  const Value& wb = graph.value(b.inputs[1]);
  return wa.dtype == wb.dtype && wa.quant.has_value() == wb.quant.has_value() &&
         graph.value(a.inputs[2]).dtype == graph.value(b.inputs[2]).dtype;
}

void fuse(Graph& graph, std::size_t attention_index) {
  const std::vector<int> made_by = producers(graph);
  const auto maker = [&](std::size_t input) -> const Node* {
    const ValueId id = graph.nodes[attention_index].inputs[input];
    const int node = made_by[static_cast<std::size_t>(id)];
    return node < 0 ? nullptr : &graph.nodes[static_cast<std::size_t>(node)];
  };
  const Node* const q = maker(0);
  const Node* const k = maker(1);
  const Node* const v = maker(2);
  if (q == nullptr || k == nullptr || v == nullptr || !stackable(graph, *k, *v)) return;
  const bool with_query = stackable(graph, *q, *k);
  std::vector<const Node*> parts;
  if (with_query) parts.push_back(q);
  parts.push_back(k);
  parts.push_back(v);

  std::vector<ValueId> weights;
  std::vector<ValueId> biases;
  std::vector<ValueId> outputs;
  for (const Node* part : parts) {
    weights.push_back(part->inputs[1]);
    biases.push_back(part->inputs[2]);
    outputs.push_back(part->outputs[0]);
  }
  const std::string name = graph.nodes[attention_index].name + (with_query ? ".qkv" : ".kv");
  Node stacked;
  stacked.name = name;
  stacked.op = LinearOp{};
  stacked.inputs = {k->inputs[0], stack_constant(graph, weights, name + ".weight"),
                    stack_constant(graph, biases, name + ".bias"), kNoValue};
  Value out;
  out.name = name;
  out.shape = {kTokens, graph.value(stacked.inputs[1]).shape[0]};
  out.quant = output_quant(graph, outputs);
  stacked.outputs = {graph.add_value(std::move(out))};

  Node& attention = graph.nodes[attention_index];
  auto& op = std::get<AttentionOp>(attention.op);
  std::int64_t column = 0;
  const Slice slices[] = {
      {0, &AttentionOp::q_column}, {1, &AttentionOp::k_column}, {2, &AttentionOp::v_column}};
  for (const Slice& slice : slices) {
    if (slice.value == 0 && !with_query) continue;
    op.*slice.column = column;
    column += op.width;
    attention.inputs[static_cast<std::size_t>(slice.value)] = stacked.outputs[0];
  }
  graph.nodes.insert(graph.nodes.begin() + static_cast<std::ptrdiff_t>(attention_index),
                     std::move(stacked));
}

}  // namespace

void fuse_attention_inputs(Graph& graph) {
  for (std::size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!std::holds_alternative<AttentionOp>(graph.nodes[i].op)) continue;
    const std::size_t before = graph.nodes.size();
    fuse(graph, i);
    i += graph.nodes.size() - before;  // the attention node moved by what was inserted before it
  }
  remove_dead_nodes(graph);
}

}  // namespace qe
