// Which nodes are such pairs, from either end.
#include "engine/backends/cuda/row_bytes_pair.h"

#include <variant>

#include "engine/passes/rewrite.h"

namespace qe::cuda {

std::optional<RowBytesPair> row_bytes_pair(const Node& node, LoweringContext& context) {
  const Graph& graph = context.input.graph;
  const bool is_linear = std::holds_alternative<LinearOp>(node.op);
  const Node* const linear = is_linear ? &node : maker_of(graph, node.inputs[0]);
  if (linear == nullptr || !std::holds_alternative<LinearOp>(linear->op)) return std::nullopt;
  const Node* const quantize = only_reader_of(graph, linear->outputs[0]);
  if (quantize == nullptr || !std::holds_alternative<QuantizeOp>(quantize->op) ||
      linear->inputs[3] != kNoValue) {
    return std::nullopt;
  }
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
  if (rows < context.options.row_bytes_from) return std::nullopt;
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
