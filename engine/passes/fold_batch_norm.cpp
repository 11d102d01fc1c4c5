// conv -> batch norm becomes a convolution with scaled weights and a bias. In double precision: the
// folded weights are then rounded once.
#include <cmath>
#include <utility>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace qe {
namespace {

std::vector<float> floats(const Graph& graph, ValueId id) {
  return to_float(graph.value(id).constant.at(0), graph.value(id).name);
}

// The convolution whose result nothing but this batch norm reads; null otherwise.
Node* convolution_before(Graph& graph, const Node& norm) {
  const int maker = producers(graph)[static_cast<std::size_t>(norm.inputs[0])];
  if (maker < 0 || consumers(graph, norm.inputs[0]).size() != 1) return nullptr;
  Node& node = graph.nodes[static_cast<std::size_t>(maker)];
  const auto* const conv = std::get_if<ConvOp>(&node.op);
  const bool plain = conv != nullptr && conv->activation == Activation::kNone &&
                     node.inputs[3] == kNoValue && !graph.value(node.inputs[1]).quant;
  return plain ? &node : nullptr;
}

ValueId add_constant(Graph& graph, std::string name, Shape shape, std::vector<float> values) {
  Value value;
  value.name = std::move(name);
  value.shape = shape;
  value.constant = {make_tensor(std::move(shape), std::move(values))};
  return graph.add_value(std::move(value));
}

void fold(Graph& graph, Node& conv, const Node& norm) {
  const std::vector<float> gamma = floats(graph, norm.inputs[1]);
  const std::vector<float> beta = floats(graph, norm.inputs[2]);
  const std::vector<float> mean = floats(graph, norm.inputs[3]);
  const std::vector<float> variance = floats(graph, norm.inputs[4]);
  const double epsilon = double{std::get<BatchNormOp>(norm.op).epsilon};
  std::vector<float> weight = floats(graph, conv.inputs[1]);
  std::vector<float> bias(gamma.size(), 0.0F);
  if (conv.inputs[2] != kNoValue) bias = floats(graph, conv.inputs[2]);

  const std::size_t row = weight.size() / gamma.size();
  for (std::size_t channel = 0; channel < gamma.size(); ++channel) {
    const double factor = double{gamma[channel]} / std::sqrt(double{variance[channel]} + epsilon);
    for (std::size_t i = channel * row; i < (channel + 1) * row; ++i) {
      weight[i] = static_cast<float>(double{weight[i]} * factor);
    }
    bias[channel] = static_cast<float>(double{beta[channel]} +
                                       (double{bias[channel]} - double{mean[channel]}) * factor);
  }
  const auto channels = static_cast<std::int64_t>(gamma.size());
  const Value& old = graph.value(conv.inputs[1]);
  const Shape shape = old.shape;
  conv.inputs[1] = add_constant(graph, old.name, shape, std::move(weight));
  conv.inputs[2] = add_constant(graph, conv.name + ".bias", {channels}, std::move(bias));
}

}  // namespace

void fold_batch_norm(Graph& graph) {
  for (std::size_t i = 0; i < graph.nodes.size();) {
    const Node norm = graph.nodes[i];
    Node* const conv =
        std::holds_alternative<BatchNormOp>(norm.op) ? convolution_before(graph, norm) : nullptr;
    if (conv == nullptr) {
      ++i;
      continue;
    }
    fold(graph, *conv, norm);
    const ValueId y = conv->outputs[0];
    if (!graph.value(y).quant) graph.value(y).quant = graph.value(norm.outputs[0]).quant;
    graph.nodes.erase(graph.nodes.begin() + static_cast<std::ptrdiff_t>(i));
    replace_uses(graph, norm.outputs[0], y);
  }
}

}  // namespace qe
