// In the order of docs/numerics.md: every operation here is part of the result's bits.
#include "engine/backends/linear_columns.h"

#include <algorithm>
#include <cmath>

#include "engine/backends/constants.h"

namespace qe {
namespace {

// Scale and zero point of output column `column`: one annotation may hold several equal slices.
struct OutputQuant {
  float scale;
  float zero_point;
};
OutputQuant output_quant(const QuantParams& quant, std::size_t column, std::size_t columns) {
  const std::size_t slice = column * quant.scale.size() / columns;
  return {quant.scale[slice], static_cast<float>(quant.zero_point.at(slice))};
}

void fold_output(const QuantParams& out, std::size_t columns, LinearColumns& result) {
  for (std::size_t i = 0; i < columns; ++i) {
    const OutputQuant q = output_quant(out, i, columns);
    result.scale[i] /= q.scale;
    if (!result.weight_sum.empty()) result.weight_sum[i] /= q.scale;
    result.bias[i] = result.bias[i] / q.scale + q.zero_point;
  }
}

}  // namespace

LinearColumns linear_columns(const Graph& graph, const Node& node,
                             std::span<const std::int32_t> column_sum) {
  const Value& weight = graph.value(node.inputs[1]);
  const Value& out = graph.value(node.outputs[0]);
  const QuantParams& in = *graph.value(node.inputs[0]).quant;
  const auto columns = static_cast<std::size_t>(weight.shape[0]);
  const std::size_t padded = column_sum.size();
  LinearColumns result;
  result.scale = row_scales(weight);
  if (has_row_floors(in)) {
    result.weight_sum.resize(padded);
    for (std::size_t i = 0; i < padded; ++i) {
      result.weight_sum[i] = static_cast<float>(column_sum[i]) * result.scale[i];
    }
  }
  result.bias.assign(padded, 0.0F);
  if (node.inputs[2] != kNoValue) result.bias = padded_floats(graph.value(node.inputs[2]));
  for (std::size_t i = 0; in.floor && i < columns; ++i) {
    result.bias[i] =
        std::fma(*in.floor * static_cast<float>(column_sum[i]), result.scale[i], result.bias[i]);
  }
  if (!in.dynamic) {
    result.offset.resize(padded);
    for (std::size_t i = 0; i < padded; ++i) {
      result.offset[i] = -in.zero_point.at(0) * column_sum[i];
      result.scale[i] *= in.scale.at(0);
    }
  }
  if (out.dtype != DType::kU8) return result;
  if (std::get<LinearOp>(node.op).activation == Activation::kNone) {
    fold_output(*out.quant, columns, result);
  } else {
    const OutputQuant q = output_quant(*out.quant, 0, columns);
    result.out_inv_scale = 1.0F / q.scale;
    result.out_zero_point = q.zero_point;
  }
  return result;
}

std::string epilogue_name(const Graph& graph, const Node& node) {
  const Activation activation = std::get<LinearOp>(node.op).activation;
  std::string text;
  if (activation != Activation::kNone) text += std::string(name(activation)) + " ";
  if (node.inputs[3] != kNoValue) text += "+residual ";
  return text + (graph.value(node.outputs[0]).dtype == DType::kU8 ? "-> u8" : "-> f32");
}

}  // namespace qe
