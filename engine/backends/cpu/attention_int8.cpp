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
  AttentionScales scales;
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
    if (scales.in_bytes) {
      args.q_u8 = q.at<std::uint8_t>(context, task.query_row) + shape.q_column + column;
      args.k_u8 = k.at<std::uint8_t>(context, task.token_row) + shape.k_column + column;
      args.v_u8 = v.at<std::uint8_t>(context, task.token_row) + shape.v_column + column;
      args.ld_q = q.row_bytes;
      args.ld_kv = k.row_bytes;
      args.q_scale = scales.q;
      args.k_scale = scales.k;
      args.v_scale = scales.v;
    } else {
      args.q_f32 = q.at<float>(context, task.query_row) + shape.q_column + column;
      args.k_f32 = k.at<float>(context, task.token_row) + shape.k_column + column;
      args.v_f32 = v.at<float>(context, task.token_row) + shape.v_column + column;
      args.ld_q = q.stride<float>();
      args.ld_kv = k.stride<float>();
    }
    if (scales.out_bytes) {
      args.out_u8 = y.at<std::uint8_t>(context, task.query_row) + column;
      args.ld_out = y.row_bytes;
      args.out_inv_scale = scales.out_inv_scale;
      args.out_zero_point = scales.out_zero_point;
    } else {
      args.out_f32 = y.at<float>(context, task.query_row) + column;
      args.ld_out = y.stride<float>();
    }
    kernels::attention_head(context.table, args);
  }
};

}  // namespace

LoweredStep lower_attention_int8(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<AttentionInt8Step>();
  step->shape = attention_shape(context.graph, node);
  step->q = context.buffer(node.inputs[0]);
  step->k = context.buffer(node.inputs[1]);
  step->v = context.buffer(node.inputs[2]);
  step->y = context.buffer(node.outputs[0]);
  if (node.inputs[1] != node.inputs[2] && step->k.row_bytes != step->v.row_bytes) {
    throw GraphError(
        {.problem = "keys and values have rows of different width", .name = node.name});
  }
  step->scales = attention_scales(context.graph, node);
  context.scratch_bytes =
      std::max(context.scratch_bytes,
               kernels::attention_scratch_bytes(context.max_sequence, step->shape.head_dim));
  std::string kernel = "attention ";
  kernel += step->scales.in_bytes ? "u8" : "f32";
  kernel += step->scales.out_bytes ? " -> u8" : " -> f32";
  return {std::move(step), {.name = {}, .kernel = std::move(kernel)}};
}

}  // namespace qe::cpu
