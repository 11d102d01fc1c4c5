// Linear layers in integers: the product's kernel, chosen for the bucket a graph is recorded for.
#include <numeric>
#include <optional>

#include "engine/backends/constants.h"
#include "engine/backends/cuda/fused_heads.h"
#include "engine/backends/cuda/lower.h"
#include "engine/backends/cuda/row_bytes_pair.h"
#include "engine/backends/linear_columns.h"

namespace qe::cuda {
namespace {

constexpr int kRowAlignment = 16;  // bytes, of the weights' rows

class LinearStep : public LaunchStep {
 public:
  int n = 0, k = 0, ld = 0;
  bool per_sequence = false;
  WeightRef weight, offset, scale, bias, weight_sum;
  Activation activation = Activation::kNone;
  float out_inv_scale = 0, out_zero_point = 0;
  bool dynamic = true, has_residual = false, out_bytes = false;
  BufferRef x, x_scale, x_floor, residual, y;
  std::optional<RowBytesPair> pair;
  FusedHeads heads;

  int launch(const LaunchContext& context) const noexcept override {
    const RowCount rows = context.rows(per_sequence);
    GemmOperands operands{.a = x.first<std::uint8_t>(context.arena),
                          .a_type = Element::kU8,
                          .lda = x.row_bytes,
                          .m = rows.capacity,
                          .column_offset = offset.at<std::int32_t>(context.weights),
                          .column_scale = scale.at<float>(context.weights),
                          .column_weight_sum = weight_sum.at<float>(context.weights),
                          .bias = bias.at<float>(context.weights),
                          .activation = activation};
    if (dynamic) operands.row_scale = x_scale.first<float>(context.arena);
    if (operands.column_weight_sum != nullptr)
      operands.row_floor = x_floor.first<float>(context.arena);
    if (has_residual) {
      operands.residual = residual.first<float>(context.arena);
      operands.ld_residual = residual.stride<float>();
    }
    operands.out = y.first<std::byte>(context.arena);
    operands.out_type = out_bytes ? Element::kU8 : Element::kF32;
    operands.ld_out = out_bytes ? y.row_bytes : y.stride<float>();
    operands.out_inv_scale = out_inv_scale;
    operands.out_zero_point = out_zero_point;
    const GemmWeights weights{
        .w = weight.at<std::int8_t>(context.weights), .ld = ld, .n = n, .k = k};
    const auto together = pair ? pair->choice(context, rows.capacity) : std::nullopt;
    return context.products.launch(
        operands, weights, rows.actual,
        together ? *together : context.products.choose(rows.capacity, n, k),
        context.product_scratch, context.stream, heads.in(context),
        together ? pair->row_bytes(context) : kernels::cuda::RowBytes{});
  }
};

std::vector<std::int32_t> column_sums(const StackedRows& rows, int n, int k) {
  std::vector<std::int32_t> sums(padded_columns(static_cast<std::size_t>(n)), 0);
  for (int row = 0; row < n; ++row) {
    const std::int8_t* const weights = rows.data() + static_cast<std::ptrdiff_t>(row) * k;
    sums[static_cast<std::size_t>(row)] = std::accumulate(weights, weights + k, 0);
  }
  return sums;
}

// Rows `ld` bytes apart, made when they are uploaded; then the file's pages can go.
WeightRef add_rows(const Value& value, int n, int k, int ld, LoweringContext& context) {
  const auto write = [&value, &options = context.input.options, n, k, ld](std::span<std::byte> to) {
    const StackedRows rows(value);
    for (std::ptrdiff_t row = 0; row < n; ++row) {
      std::memcpy(to.data() + row * ld, rows.data() + row * k, static_cast<std::size_t>(k));
    }
    release_source(value, options);
  };
  return context.weights.add(static_cast<std::size_t>(n) * static_cast<std::size_t>(ld), write);
}

}  // namespace

LoweredStep lower_linear(const Node& node, LoweringContext& context) {
  const Value& weight = context.value(node.inputs[1]);
  const QuantParams& in = *context.value(node.inputs[0]).quant;
  auto step = std::make_unique<LinearStep>();
  step->n = static_cast<int>(weight.shape[0]);
  step->k = static_cast<int>(weight.shape[1]);
  step->ld = (step->k + kRowAlignment - 1) / kRowAlignment * kRowAlignment;
  require_exact_depth(weight, step->k);
  step->per_sequence = context.per_sequence(node.outputs[0]);
  step->activation = std::get<LinearOp>(node.op).activation;
  step->x = context.buffer(node.inputs[0]);
  step->dynamic = in.dynamic;
  if (in.dynamic) step->x_scale = context.scale_buffer(node.inputs[0]);
  if (has_row_floors(in)) step->x_floor = context.floor_buffer(node.inputs[0]);
  step->has_residual = node.inputs[3] != kNoValue;
  if (step->has_residual) step->residual = context.buffer(node.inputs[3]);
  step->y = context.buffer(node.outputs[0]);
  step->out_bytes = context.value(node.outputs[0]).dtype == DType::kU8;
  step->pair = row_bytes_pair(node, context);
  step->heads = fused_heads(context.input.graph, node.outputs[0]);

  LinearColumns columns =
      linear_columns(context.input.graph, node, column_sums(StackedRows(weight), step->n, step->k));
  step->weight = add_rows(weight, step->n, step->k, step->ld, context);
  step->offset = context.weights.add(std::move(columns.offset));
  step->scale = context.weights.add(std::move(columns.scale));
  step->bias = context.weights.add(std::move(columns.bias));
  step->weight_sum = context.weights.add(std::move(columns.weight_sum));
  step->out_inv_scale = columns.out_inv_scale;
  step->out_zero_point = columns.out_zero_point;

  StepInfo info;
  info.kernel = "gemm u8s8 " + epilogue_name(context.input.graph, node);
  info.macs_per_row = static_cast<std::int64_t>(step->n) * step->k;
  info.weight_bytes = static_cast<std::size_t>(step->n) * static_cast<std::size_t>(step->ld);
  return {std::move(step), std::move(info)};
}

}  // namespace qe::cuda
