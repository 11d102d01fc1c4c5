// Which nodes are such pairs, from either end.
#include "engine/backends/cuda/row_bytes_pair.h"

#include <variant>

#include "engine/passes/rewrite.h"

namespace qe::cuda {
namespace {

// The linear layer that makes what `quantize` reads, or null.
const Node* maker_of(const Node& quantize, const Graph& graph) {
  const int maker = producers(graph)[static_cast<std::size_t>(quantize.inputs[0])];
  if (maker < 0) return nullptr;
  const Node& node = graph.nodes[static_cast<std::size_t>(maker)];
  return std::holds_alternative<LinearOp>(node.op) ? &node : nullptr;
}

// The quantization that alone reads what `linear` makes, or null.
const Node* reader_of(const Node& linear, const Graph& graph) {
  const std::vector<int> readers = consumers(graph, linear.outputs[0]);
  if (readers.size() != 1 || graph.output == linear.outputs[0]) return nullptr;
  const Node& node = graph.nodes[static_cast<std::size_t>(readers[0])];
  return std::holds_alternative<QuantizeOp>(node.op) ? &node : nullptr;
}

}  // namespace

std::optional<RowBytesPair> row_bytes_pair(const Node& node, LoweringContext& context) {
  const Graph& graph = context.input.graph;
  const bool is_linear = std::holds_alternative<LinearOp>(node.op);
  const Node* const linear = is_linear ? &node : maker_of(node, graph);
  const Node* const quantize = linear != nullptr ? reader_of(*linear, graph) : nullptr;
  if (quantize == nullptr || linear->inputs[3] != kNoValue) return std::nullopt;
  const Value& floats = context.value(linear->outputs[0]);
  const QuantParams& quant = *context.value(quantize->outputs[0]).quant;
  if (floats.dtype != DType::kF32 || !quant.dynamic || has_row_floors(quant)) return std::nullopt;
  const Value& weight = context.value(linear->inputs[1]);
  const RowBytesPair pair{.n = static_cast<int>(weight.shape[0]),
                          .k = static_cast<int>(weight.shape[1]),
                          .q = context.buffer(quantize->outputs[0]),
                          .scale = context.scale_buffer(quantize->outputs[0]),
                          .floor = *quant.floor};
  const CompileOptions& options = context.input.options;
  const int rows =
      context.per_sequence(linear->outputs[0]) ? options.max_sequences : options.max_tokens;
  context.row_scratch.extend(kernels::cuda::row_bytes_scratch(rows, pair.n));
  return pair;
}

std::optional<kernels::cuda::Choice> RowBytesPair::choice(const LaunchContext& context,
                                                          int rows) const {
  if (rows < context.row_bytes_from) return std::nullopt;
  return context.products.choose_row_bytes(rows, n, k);
}

kernels::cuda::RowBytes RowBytesPair::row_bytes(const LaunchContext& context) const {
  return {.q = q.first<std::uint8_t>(context.arena),
          .ldq = q.row_bytes,
          .scale = scale.first<float>(context.arena),
          .floor = floor,
          .largest = context.row_largest,
          .gates = context.row_gates};
}

}  // namespace qe::cuda
