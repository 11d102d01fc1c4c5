// Attention in float, one (sequence, head) at a time: blocks of query rows against all keys, so
// that the scores stay in cache. Threads take whole heads.
#include <algorithm>
#include <cmath>

#include "engine/backends/cpu/attention_split.h"
#include "engine/backends/cpu/lower.h"
#include "kernels/onednn/sgemm.h"

namespace qe::cpu {
namespace {

constexpr int kQueryRows = 64;

class AttentionF32Step : public Step {
 public:
  AttentionShape shape;
  BufferRef q, k, v, y;

  void run(const StepContext& context) const noexcept override {
    kernels::onednn::use_threads(context.library_threads);
    for_each_own_head(shape, context, [&](const HeadTask& task) { run_head(context, task); });
  }

 private:
  void run_head(const StepContext& context, const HeadTask& task) const noexcept {
    const int d = shape.head_dim;
    auto* const scores = reinterpret_cast<float*>(context.scratch);
    const int column = task.head * d;
    for (int row = 0; row < task.queries; row += kQueryRows) {
      const int rows = std::min(kQueryRows, task.queries - row);
      kernels::onednn::sgemm(
          {.m = rows,
           .n = task.tokens,
           .k = d,
           .a = q.at<float>(context, task.query_row + row) + shape.q_column + column,
           .lda = q.stride<float>(),
           .b = k.at<float>(context, task.token_row) + shape.k_column + column,
           .ldb = k.stride<float>(),
           .b_transposed = true,
           .c = scores,
           .ldc = task.tokens});
      context.table.softmax_f32({.x = scores,
                                 .ldx = task.tokens,
                                 .rows = rows,
                                 .cols = task.tokens,
                                 .scale = 1.0F / std::sqrt(static_cast<float>(d))});
      kernels::onednn::sgemm({.m = rows,
                              .n = d,
                              .k = task.tokens,
                              .a = scores,
                              .lda = task.tokens,
                              .b = v.at<float>(context, task.token_row) + shape.v_column + column,
                              .ldb = v.stride<float>(),
                              .b_transposed = false,
                              .c = y.at<float>(context, task.query_row + row) + column,
                              .ldc = y.stride<float>()});
    }
  }
};

}  // namespace

LoweredStep lower_attention_f32(const Node& node, LoweringContext& context) {
  require_float_products(node);
  auto step = std::make_unique<AttentionF32Step>();
  step->shape = attention_shape(context.graph, node);
  step->q = context.buffer(node.inputs[0]);
  step->k = context.buffer(node.inputs[1]);
  step->v = context.buffer(node.inputs[2]);
  step->y = context.buffer(node.outputs[0]);
  const std::size_t scratch =
      static_cast<std::size_t>(kQueryRows) * static_cast<std::size_t>(context.max_sequence) * 4;
  context.scratch_bytes = std::max(context.scratch_bytes, scratch);
  return {std::move(step), {.name = {}, .kernel = "attention f32"}};
}

}  // namespace qe::cpu
