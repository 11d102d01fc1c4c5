// Linear layers in integers: u8 activations times packed s8 weights, everything else in the
// epilogue.
#include <iterator>
#include <vector>

#include "engine/backends/cpu/lower.h"
#include "engine/backends/cpu/split.h"
#include "engine/backends/linear_columns.h"

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

  Tile tile_of(const StepContext& context) const noexcept {
    return split_product(context.rows(), n, kPanelWidth, context.parts, context.part);
  }

  std::span<const std::int8_t> weights(const StepContext& context) const noexcept override {
    return packed_columns(packed, tile_of(context).columns, k);
  }

  void run(const StepContext& context) const noexcept override {
    const Tile tile = tile_of(context);
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
    args.next_b = context.next_weights.data();
    args.next_bytes = std::ssize(context.next_weights);
    context.table.gemm(args);
  }
};

void pack(LinearInt8Step& step, const Value& weight, LoweringContext& context,
          std::vector<std::int32_t>& column_sum) {
  const StackedRows rows(weight);
  auto* const packed = context.weights.allocate<std::int8_t>(kernels::packed_bytes(step.n, step.k));
  column_sum.assign(static_cast<std::size_t>(round_up(step.n, kColumnGroup)), 0);
  const int panels = kernels::panel_count(step.n);
  context.pool.run([&](int index) noexcept {
    const Part part = split(panels, context.pool.size(), index, 1);
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

void set_epilogue(LinearInt8Step& step, const Node& node, LoweringContext& context,
                  const std::vector<std::int32_t>& column_sum) {
  const LinearColumns columns = linear_columns(context.graph, node, column_sum);
  if (!columns.offset.empty()) step.column_offset = store(columns.offset, context);
  if (!columns.weight_sum.empty()) step.column_weight_sum = store(columns.weight_sum, context);
  step.column_scale = store(columns.scale, context);
  step.bias = store(columns.bias, context);
  step.out_inv_scale = columns.out_inv_scale;
  step.out_zero_point = columns.out_zero_point;
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
  release_source(weight, context.options);

  StepInfo info;
  info.kernel = "gemm u8s8 " + epilogue_name(context.graph, node);
  info.macs_per_row = static_cast<std::int64_t>(step->n) * step->k;
  info.weight_bytes = kernels::packed_bytes(step->n, step->k);
  return {std::move(step), std::move(info)};
}

}  // namespace qe::cpu
