// Linear layers in integers: u8 activations times packed s8 weights, everything else in the
// epilogue. Zero points fold into the accumulators' start, scales into one multiplier a column, a
// known floor of the input and a static output's scale into multiplier and bias; floors that each
// row finds for itself multiply the sums of the columns' weights.
#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/backends/cpu/byte_epilogue.h"
#include "engine/backends/cpu/lower.h"
#include "engine/backends/cpu/split.h"

#include <qe/error.h>

namespace qe::cpu {
namespace {

using kernels::kColumnGroup;
using kernels::kPanelWidth;
using kernels::round_up;

class LinearInt8Step : public Step {
 public:
  int n = 0;
  int k = 0;
  const std::int8_t* packed = nullptr;
  const std::int32_t* column_offset = nullptr;
  const float* column_scale = nullptr;
  const float* column_weight_sum = nullptr;  // set where every row of x has its floor
  const float* bias = nullptr;
  Activation activation = Activation::kNone;
  float out_inv_scale = 0;
  float out_zero_point = 0;
  bool out_bytes = false;
  bool dynamic = true;
  bool has_residual = false;
  BufferRef x, x_scale, x_floor, residual, y;

  void run(const StepContext& context) const noexcept override {
    const Tile tile =
        split_product(context.rows(), n, kPanelWidth, context.threads, context.thread);
    if (tile.rows.begin == tile.rows.end || tile.columns.begin == tile.columns.end) return;
    const int row = context.row_begin + tile.rows.begin;
    kernels::GemmArgs args{};
    args.a = x.at<std::uint8_t>(context, row);
    args.lda = x.row_bytes;
    args.b = packed;
    args.m = tile.rows.end - tile.rows.begin;
    args.n = n;
    args.k = k;
    args.first_panel = tile.columns.begin / kPanelWidth;
    args.last_panel = kernels::panel_count(tile.columns.end);
    args.column_offset = column_offset;
    args.column_scale = column_scale;
    args.row_scale = dynamic ? x_scale.at<float>(context, row) : nullptr;
    if (column_weight_sum != nullptr) {
      args.row_floor = x_floor.at<float>(context, row);
      args.column_weight_sum = column_weight_sum;
    }
    args.bias = bias;
    args.activation = activation;
    if (has_residual) {
      args.residual = residual.at<float>(context, row);
      args.ld_residual = residual.stride<float>();
    }
    if (out_bytes) {
      args.out_u8 = y.at<std::uint8_t>(context, row);
      args.ld_out_u8 = y.row_bytes;
      args.out_inv_scale = out_inv_scale;
      args.out_zero_point = out_zero_point;
    } else {
      args.out_f32 = y.at<float>(context, row);
      args.ld_out_f32 = y.stride<float>();
    }
    context.table.gemm(args);
  }
};

// Rows of the stacked parts as one row-major s8 matrix; a copy only where there are several.
class StackedWeights {
 public:
  explicit StackedWeights(const Value& value) {
    if (value.constant.size() == 1) {
      data_ = value.constant[0].data<std::int8_t>();
      return;
    }
    for (const Tensor& part : value.constant) {
      const auto rows = part.data<std::int8_t>();
      copy_.insert(copy_.end(), rows.begin(), rows.end());
    }
    data_ = copy_;
  }
  const std::int8_t* data() const { return data_.data(); }

 private:
  std::vector<std::int8_t> copy_;
  std::span<const std::int8_t> data_;
};

void pack(LinearInt8Step& step, const Value& weight, LoweringContext& context,
          std::vector<std::int32_t>& column_sum) {
  const StackedWeights rows(weight);
  auto* const packed = context.weights.allocate<std::int8_t>(kernels::packed_bytes(step.n, step.k));
  column_sum.assign(static_cast<std::size_t>(round_up(step.n, kColumnGroup)), 0);
  const int panels = kernels::panel_count(step.n);
  context.pool.run([&](int thread) noexcept {
    const Part part = split(panels, context.pool.size(), thread, 1);
    if (part.begin == part.end) return;
    context.table.pack_weights({.w = rows.data(),
                                .ldw = step.k,
                                .n = step.n,
                                .k = step.k,
                                .first_panel = part.begin,
                                .last_panel = part.end,
                                .packed = packed,
                                .column_sum = column_sum.data()});
  });
  step.packed = packed;
}

// Scale and zero point of output column `column`: one annotation may hold several equal slices.
struct OutputQuant {
  float scale;
  float zero_point;
};
OutputQuant output_quant(const QuantParams& quant, int column, int columns) {
  const std::size_t slices = quant.scale.size();
  const auto slice = static_cast<std::size_t>(column) * slices / static_cast<std::size_t>(columns);
  return {quant.scale[slice], static_cast<float>(quant.zero_point.at(slice))};
}

void set_epilogue(LinearInt8Step& step, const Node& node, LoweringContext& context,
                  const std::vector<std::int32_t>& column_sum) {
  const Value& weight = context.graph.value(node.inputs[1]);
  const Value& out = context.graph.value(node.outputs[0]);
  const QuantParams& in_quant = *context.graph.value(node.inputs[0]).quant;
  const auto padded = column_sum.size();
  const bool own_floors = has_row_floors(in_quant);

  auto* const scale = context.weights.allocate<float>(padded);
  auto* const bias = context.weights.allocate<float>(padded);
  auto* const weight_sum = own_floors ? context.weights.allocate<float>(padded) : nullptr;
  const std::vector<float> weight_scale = row_scales(weight);
  for (std::size_t i = 0; i < padded; ++i) {
    scale[i] = in_quant.dynamic ? weight_scale[i] : weight_scale[i] * in_quant.scale.at(0);
    if (own_floors) weight_sum[i] = static_cast<float>(column_sum[i]) * weight_scale[i];
  }
  if (!in_quant.dynamic) {
    auto* const offset = context.weights.allocate<std::int32_t>(padded);
    for (std::size_t i = 0; i < padded; ++i) {
      offset[i] = -in_quant.zero_point.at(0) * column_sum[i];
    }
    step.column_offset = offset;
  }
  if (node.inputs[2] != kNoValue) {
    float* position = bias;
    for (const Tensor& part : context.graph.value(node.inputs[2]).constant) {
      const std::vector<float> values = to_float(part, node.name);
      position = std::copy(values.begin(), values.end(), position);
    }
  }
  for (int i = 0; in_quant.floor && i < step.n; ++i) {
    const auto at = static_cast<std::size_t>(i);
    bias[i] =
        std::fma(*in_quant.floor * static_cast<float>(column_sum[at]), weight_scale[at], bias[i]);
  }
  if (step.out_bytes && step.activation == Activation::kNone) {
    for (int i = 0; i < step.n; ++i) {
      const OutputQuant q = output_quant(*out.quant, i, step.n);
      scale[i] /= q.scale;
      if (own_floors) weight_sum[i] /= q.scale;
      bias[i] = bias[i] / q.scale + q.zero_point;
    }
  } else if (step.out_bytes) {
    const OutputQuant q = output_quant(*out.quant, 0, step.n);
    step.out_inv_scale = 1.0F / q.scale;
    step.out_zero_point = q.zero_point;
  }
  step.column_scale = scale;
  step.column_weight_sum = weight_sum;
  step.bias = bias;
}

}  // namespace

LoweredStep lower_linear_int8(const Node& node, LoweringContext& context) {
  const Value& weight = context.graph.value(node.inputs[1]);
  auto step = std::make_unique<LinearInt8Step>();
  step->n = static_cast<int>(weight.shape[0]);
  step->k = static_cast<int>(weight.shape[1]);
  require_exact_depth(weight, step->k);
  step->activation = std::get<LinearOp>(node.op).activation;
  step->dynamic = context.graph.value(node.inputs[0]).quant->dynamic;
  step->out_bytes = context.graph.value(node.outputs[0]).dtype == DType::kU8;
  step->x = context.buffer(node.inputs[0]);
  if (step->dynamic) step->x_scale = context.scale_buffer(node.inputs[0]);
  if (has_row_floors(*context.graph.value(node.inputs[0]).quant)) {
    step->x_floor = context.floor_buffer(node.inputs[0]);
  }
  step->y = context.buffer(node.outputs[0]);
  step->has_residual = node.inputs[3] != kNoValue;
  if (step->has_residual) step->residual = context.buffer(node.inputs[3]);

  std::vector<std::int32_t> column_sum;
  pack(*step, weight, context, column_sum);
  set_epilogue(*step, node, context, column_sum);
  release_source(weight, context);

  StepInfo info;
  info.kernel = "gemm u8s8";
  if (step->activation != Activation::kNone) {
    info.kernel += " " + std::string(name(std::get<LinearOp>(node.op).activation));
  }
  if (step->has_residual) info.kernel += " +residual";
  info.kernel += step->out_bytes ? " -> u8" : " -> f32";
  info.macs_per_row = static_cast<std::int64_t>(step->n) * step->k;
  info.weight_bytes = kernels::packed_bytes(step->n, step->k);
  return {std::move(step), std::move(info)};
}

}  // namespace qe::cpu
