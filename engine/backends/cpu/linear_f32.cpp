// Linear layers in float: oneDNN's product on this thread's columns, then bias, activation and
// residual on the same columns while they are in cache.
#include <vector>

#include "engine/backends/cpu/lower.h"
#include "engine/backends/cpu/split.h"
#include "kernels/onednn/sgemm.h"

namespace qe::cpu {
namespace {

class LinearF32Step : public Step {
 public:
  int n = 0;
  int k = 0;
  const float* weight = nullptr;
  const float* bias = nullptr;
  Activation activation = Activation::kNone;
  bool has_residual = false;
  BufferRef x, residual, y;

  void run(const StepContext& context) const noexcept override {
    kernels::onednn::use_threads(context.library_threads);
    const Tile tile =
        split_product(context.rows(), n, kernels::kColumnGroup, context.parts, context.part);
    const int columns = tile.columns.end - tile.columns.begin;
    const int rows = tile.rows.end - tile.rows.begin;
    if (columns == 0 || rows == 0) return;
    const int row = context.row_begin + tile.rows.begin;
    float* const out = y.at<float>(context, row) + tile.columns.begin;
    kernels::onednn::sgemm({.m = rows,
                            .n = columns,
                            .k = k,
                            .a = x.at<float>(context, row),
                            .lda = x.stride<float>(),
                            .b = weight + static_cast<std::ptrdiff_t>(tile.columns.begin) * k,
                            .ldb = k,
                            .b_transposed = true,
                            .c = out,
                            .ldc = y.stride<float>()});
    kernels::BiasActivationArgs args{};
    args.x = out;
    args.ldx = y.stride<float>();
    args.rows = rows;
    args.cols = columns;
    args.bias = bias == nullptr ? nullptr : bias + tile.columns.begin;
    args.activation = activation;
    if (has_residual) {
      args.residual = residual.at<float>(context, row) + tile.columns.begin;
      args.ld_residual = residual.stride<float>();
    }
    context.table.bias_activation(args);
  }
};

}  // namespace

LoweredStep lower_linear_f32(const Node& node, LoweringContext& context) {
  require_float_products(node);
  const Value& weight = context.graph.value(node.inputs[1]);
  auto step = std::make_unique<LinearF32Step>();
  step->n = static_cast<int>(weight.shape[0]);
  step->k = static_cast<int>(weight.shape[1]);
  float* const stored = store_floats(weight, context);
  dequantize(weight, {stored, static_cast<std::size_t>(element_count(weight.shape))});
  step->weight = stored;
  if (node.inputs[2] != kNoValue) {
    step->bias = store_floats(context.graph.value(node.inputs[2]), context);
  }
  step->activation = std::get<LinearOp>(node.op).activation;
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  step->has_residual = node.inputs[3] != kNoValue;
  if (step->has_residual) step->residual = context.buffer(node.inputs[3]);
  release_source(weight, context.options);

  StepInfo info;
  info.kernel = "gemm f32 " + std::string(name(std::get<LinearOp>(node.op).activation));
  info.macs_per_row = static_cast<std::int64_t>(step->n) * step->k;
  info.weight_bytes = static_cast<std::size_t>(step->n) * static_cast<std::size_t>(step->k) * 4;
  return {std::move(step), std::move(info)};
}

}  // namespace qe::cpu
