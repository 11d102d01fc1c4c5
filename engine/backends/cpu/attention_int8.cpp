// Attention in integers, one (sequence, head) at a time. Dynamic models hand over float
// projections, which the kernel quantizes per token and head; static ones hand over bytes. Threads
// take whole heads.
#include <algorithm>

#include "engine/backends/cpu/attention_split.h"
#include "engine/backends/cpu/lower.h"
#include "kernels/attention.h"

#include <qe/error.h>

namespace qe::cpu {
namespace {

class AttentionInt8Step : public Step {
 public:
  AttentionShape shape;
  bool in_bytes = false;
  bool out_bytes = false;
  float q_scale = 0, k_scale = 0, v_scale = 0;
  float out_inv_scale = 0, out_zero_point = 0;
  BufferRef q, k, v, y;

  void run(const StepContext& context) const noexcept override {
    for_each_own_head(shape, context, [&](const HeadTask& task) { run_head(context, task); });
  }

 private:
  void run_head(const StepContext& context, const HeadTask& task) const noexcept {
    const std::int64_t column = static_cast<std::int64_t>(task.head) * shape.head_dim;
    kernels::AttentionArgs args;
    args.queries = task.queries;
    args.tokens = task.tokens;
    args.head_dim = shape.head_dim;
    args.scratch = context.scratch;
    if (in_bytes) {
      args.q_u8 = q.at<std::uint8_t>(context, task.query_row) + shape.q_column + column;
      args.k_u8 = k.at<std::uint8_t>(context, task.token_row) + shape.k_column + column;
      args.v_u8 = v.at<std::uint8_t>(context, task.token_row) + shape.v_column + column;
      args.ld_q = q.row_bytes;
      args.ld_kv = k.row_bytes;
      args.q_scale = q_scale;
      args.k_scale = k_scale;
      args.v_scale = v_scale;
    } else {
      args.q_f32 = q.at<float>(context, task.query_row) + shape.q_column + column;
      args.k_f32 = k.at<float>(context, task.token_row) + shape.k_column + column;
      args.v_f32 = v.at<float>(context, task.token_row) + shape.v_column + column;
      args.ld_q = q.stride<float>();
      args.ld_kv = k.stride<float>();
    }
    if (out_bytes) {
      args.out_u8 = y.at<std::uint8_t>(context, task.query_row) + column;
      args.ld_out = y.row_bytes;
      args.out_inv_scale = out_inv_scale;
      args.out_zero_point = out_zero_point;
    } else {
      args.out_f32 = y.at<float>(context, task.query_row) + column;
      args.ld_out = y.stride<float>();
    }
    kernels::attention_head(context.table, args);
  }
};

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

LoweredStep lower_attention_int8(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<AttentionInt8Step>();
  step->shape = attention_shape(node, context);
  step->q = context.buffer(node.inputs[0]);
  step->k = context.buffer(node.inputs[1]);
  step->v = context.buffer(node.inputs[2]);
  step->y = context.buffer(node.outputs[0]);
  if (node.inputs[1] != node.inputs[2] && step->k.row_bytes != step->v.row_bytes) {
    throw GraphError(
        {.problem = "keys and values have rows of different width", .name = node.name});
  }
  step->in_bytes = context.graph.value(node.inputs[0]).dtype == DType::kU8;
  if (step->in_bytes) {
    step->q_scale = part_scale(context.graph.value(node.inputs[0]), step->shape.q_column);
    step->k_scale = part_scale(context.graph.value(node.inputs[1]), step->shape.k_column);
    step->v_scale = part_scale(context.graph.value(node.inputs[2]), step->shape.v_column);
  }
  const Value& out = context.graph.value(node.outputs[0]);
  step->out_bytes = out.dtype == DType::kU8;
  if (step->out_bytes) {
    step->out_inv_scale = 1.0F / out.quant->scale.at(0);
    step->out_zero_point = static_cast<float>(out.quant->zero_point.at(0));
  }
  context.scratch_bytes =
      std::max(context.scratch_bytes,
               kernels::attention_scratch_bytes(context.max_sequence, step->shape.head_dim));
  std::string kernel = "attention ";
  kernel += step->in_bytes ? "u8" : "f32";
  kernel += step->out_bytes ? " -> u8" : " -> f32";
  return {std::move(step), {.name = {}, .kernel = std::move(kernel)}};
}

}  // namespace qe::cpu
