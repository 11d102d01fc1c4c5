// Attention in integers and in halves: all heads of a block of queries in one launch.
#include <algorithm>

#include <qe/error.h>

#include "engine/backends/attention_shape.h"
#include "engine/backends/cuda/fused_heads.h"
#include "engine/backends/cuda/inputs.h"
#include "engine/backends/cuda/lower_half.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/half_attention.h"

namespace qe::cuda {
namespace {

using kernels::cuda::AttentionLaunch;
using kernels::cuda::AttentionWork;
using kernels::cuda::Half;

template <class Launch>
void set_work(const LaunchContext& context, bool first_query_only, Launch& launch) noexcept {
  const InputLayout& layout = context.layout;
  launch.first_query_only = first_query_only;
  launch.offsets = context.input<std::int32_t>(layout.offsets);
  if (first_query_only) {
    launch.work = context.input<AttentionWork>(layout.first_queries);
    launch.work_count = context.input<std::int32_t>(layout.sequences);
    launch.work_capacity = context.bucket.sequences;
  } else {
    launch.work = context.input<AttentionWork>(layout.block_list);
    launch.work_count = context.input<std::int32_t>(layout.blocks);
    launch.work_capacity = layout.block_capacity;
  }
  launch.stream = context.stream;
}

class AttentionStep : public LaunchStep {
 public:
  AttentionShape shape;
  AttentionScales scales;
  BufferRef q, k, v, y;
  FusedHeads fused;

  int launch(const LaunchContext& context) const noexcept override {
    AttentionLaunch launch{};
    if (scales.in_bytes) {
      launch.q_u8 = q.first<std::uint8_t>(context.arena) + shape.q_column;
      launch.k_u8 = k.first<std::uint8_t>(context.arena) + shape.k_column;
      launch.v_u8 = v.first<std::uint8_t>(context.arena) + shape.v_column;
      launch.ld_q = q.row_bytes;
      launch.ld_kv = k.row_bytes;
      launch.q_scale = scales.q;
      launch.k_scale = scales.k;
      launch.v_scale = scales.v;
    } else {
      launch.q_f32 = q.first<float>(context.arena) + shape.q_column;
      launch.k_f32 = k.first<float>(context.arena) + shape.k_column;
      launch.v_f32 = v.first<float>(context.arena) + shape.v_column;
      launch.ld_q = q.stride<float>();
      launch.ld_kv = k.stride<float>();
      launch.byte_heads = fused.in(context);
    }
    if (launch.byte_heads.columns > 0 && context.byte_head_launches != nullptr) {
      ++*context.byte_head_launches;
    }
    launch.heads = shape.heads;
    launch.head_dim = shape.head_dim;
    if (scales.out_bytes) {
      launch.out_u8 = y.first<std::uint8_t>(context.arena);
      launch.ld_out = y.row_bytes;
      launch.out_inv_scale = scales.out_inv_scale;
      launch.out_zero_point = scales.out_zero_point;
    } else {
      launch.out_f32 = y.first<float>(context.arena);
      launch.ld_out = y.stride<float>();
    }
    set_work(context, shape.first_query_only, launch);
    launch.max_tokens = context.bucket.longest;
    return kernels::cuda::launch_attention(launch);
  }
};

class HalfAttentionStep : public LaunchStep {
 public:
  AttentionShape shape;
  BufferRef q, k, v, y;

  int launch(const LaunchContext& context) const noexcept override {
    kernels::cuda::HalfAttentionLaunch launch{};
    launch.q = q.first<Half>(context.arena) + shape.q_column;
    launch.k = k.first<Half>(context.arena) + shape.k_column;
    launch.v = v.first<Half>(context.arena) + shape.v_column;
    launch.ld_q = q.stride<Half>();
    launch.ld_kv = k.stride<Half>();
    launch.heads = shape.heads;
    launch.head_dim = shape.head_dim;
    launch.out = y.first<Half>(context.arena);
    launch.ld_out = y.stride<Half>();
    set_work(context, shape.first_query_only, launch);
    return kernels::cuda::launch_attention(launch);
  }
};

// Throws UnsupportedError.
void check_width(const Node& node, int head_dim) {
  if (head_dim <= kernels::cuda::kMaxHeadDim) return;
  throw UnsupportedError({.problem = "heads are too wide for a GPU",
                          .name = node.name,
                          .expected = "at most " + std::to_string(kernels::cuda::kMaxHeadDim),
                          .actual = std::to_string(head_dim)});
}

// Throws UnsupportedError beyond what a block of threads can hold.
void check_size(const Node& node, int head_dim, const LoweringContext& context) {
  check_width(node, head_dim);
  const int tokens = std::min(context.input.options.max_tokens, context.input.max_positions);
  const std::size_t needed = kernels::cuda::attention_shared_bytes(tokens, head_dim);
  if (needed <= context.shared_bytes) return;
  throw UnsupportedError(
      {.problem = "sequences are too long for the GPU's shared memory",
       .name = node.name,
       .expected = "at most " + std::to_string(context.shared_bytes) + " bytes",
       .actual = std::to_string(needed) + " bytes for " + std::to_string(tokens) + " tokens"});
}

template <class Step>
void set_buffers(Step& step, const Node& node, const LoweringContext& context) {
  step.q = context.buffer(node.inputs[0]);
  step.k = context.buffer(node.inputs[1]);
  step.v = context.buffer(node.inputs[2]);
  step.y = context.buffer(node.outputs[0]);
  if (step.k.row_bytes == step.v.row_bytes) return;
  throw GraphError({.problem = "keys and values have rows of different width", .name = node.name});
}

}  // namespace

LoweredStep lower_attention(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<AttentionStep>();
  step->shape = attention_shape(context.input.graph, node);
  check_size(node, step->shape.head_dim, context);
  step->scales = attention_scales(context.input.graph, node);
  step->fused = fused_heads(context.input.graph, node.inputs[2]);
  set_buffers(*step, node, context);
  const std::string kernel = std::string("attention ") + (step->scales.in_bytes ? "u8" : "f32") +
                             (step->scales.out_bytes ? " -> u8" : " -> f32");
  return {std::move(step), {.name = {}, .kernel = kernel}};
}

LoweredStep lower_half_attention(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<HalfAttentionStep>();
  step->shape = attention_shape(context.input.graph, node);
  check_width(node, step->shape.head_dim);
  set_buffers(*step, node, context);
  return {std::move(step), {.name = {}, .kernel = "attention f16"}};
}

}  // namespace qe::cuda
