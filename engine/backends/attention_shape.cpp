// Queries, keys and values may be slices of one stacked value.
#include "engine/backends/attention_shape.h"

#include <string>

#include "kernels/kernel_table.h"

#include <qe/error.h>

namespace qe {
namespace {

// Scale of the part of a stacked value that starts at `column`; parts have equal widths.
float part_scale(const Value& value, std::int64_t column) {
  const QuantParams& quant = *value.quant;
  const std::int64_t width = value.shape[1] / static_cast<std::int64_t>(quant.scale.size());
  const auto part = static_cast<std::size_t>(column / width);
  if (quant.zero_point.at(part) != kernels::kSymmetricZeroPoint) {
    throw UnsupportedError({.problem = "queries, keys and values must be quantized symmetrically",
                            .name = value.name,
                            .expected = "zero point 128 (0 as s8)",
                            .actual = std::to_string(quant.zero_point[part])});
  }
  return quant.scale[part];
}

}  // namespace

AttentionShape attention_shape(const Graph& graph, const Node& node) {
  const auto& op = std::get<AttentionOp>(node.op);
  return {.heads = op.heads,
          .head_dim = static_cast<int>(op.width) / op.heads,
          .q_column = op.q_column,
          .k_column = op.k_column,
          .v_column = op.v_column,
          .first_query_only = graph.value(node.inputs[0]).shape[0] == kSequences};
}

AttentionScales attention_scales(const Graph& graph, const Node& node) {
  const auto& op = std::get<AttentionOp>(node.op);
  AttentionScales scales;
  scales.in_bytes = graph.value(node.inputs[0]).dtype == DType::kU8;
  if (scales.in_bytes) {
    scales.q = part_scale(graph.value(node.inputs[0]), op.q_column);
    scales.k = part_scale(graph.value(node.inputs[1]), op.k_column);
    scales.v = part_scale(graph.value(node.inputs[2]), op.v_column);
  }
  const Value& out = graph.value(node.outputs[0]);
  scales.out_bytes = out.dtype == DType::kU8;
  if (scales.out_bytes) {
    scales.out_inv_scale = 1.0F / out.quant->scale.at(0);
    scales.out_zero_point = static_cast<float>(out.quant->zero_point.at(0));
  }
  return scales;
}

}  // namespace qe
