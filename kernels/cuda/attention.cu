// Fused attention: both products by mma.sync.m16n8k32 on 8-bit operands, the softmax between them
// in registers.
#include "kernels/cuda/attention.h"

#include <cuda_runtime.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstddef>

#include "kernels/cuda/attention_fill.h"
#include "kernels/cuda/attention_passes.h"
#include "kernels/cuda/attention_store.h"
#include "kernels/cuda/entry.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "kernels/cuda/ptx/shared.h"

namespace qe::kernels::cuda {
namespace {

// kHeld: for sequences of up to kHeldTokens.
template <bool kHeld>
__device__ __forceinline__ AttentionBlock block_of(const Attention& p, const AttentionWork& work,
                                                   int steps) {
  const QueryBlock own = query_block(p.x, work, static_cast<int>(blockIdx.z), p.block_queries);
  const int places = kHeld ? kHeldTokens : token_places(own.tokens);
  return {own,
          dynamic_shared(),
          attention_layout(places, steps),
          places,
          padded_tokens(own.tokens),
          p.tile_bits,
          static_cast<int>(threadIdx.x / kWarpLanes),
          static_cast<int>(threadIdx.x % kWarpLanes),
          static_cast<int>(blockDim.x / kWarpLanes)};
}

template <Form kForm, int kSteps, bool kHeld>
__global__ void __launch_bounds__(kAttentionThreads, 2)
    attention(const __grid_constant__ Attention p) {
  wait_for_launches_before();
  allow_next_launch();
  // Neither load waits for the other: no short circuit.
  const AttentionWork work = p.x.work[blockIdx.x];
  const bool beyond = static_cast<int>(blockIdx.x) >= *p.x.work_count;
  const bool none = work.sequence < 0;
  if (beyond | none) {
    return;
  }
  const AttentionBlock block = block_of<kHeld>(p, work, kSteps);
  if (block.queries <= 0) {
    return;
  }
  Queries<kSteps> queries;
  const float loaded_scale = load_operands<kHeld, kForm>(p, block, queries);
  if (!block.has_queries() && (!kHeld || block.members() == 1)) {
    return;
  }
  Context<kSteps> context;
  if constexpr (kHeld) {
    attend_held(block, queries, context);
    if (block.member() > 0) {
      return;
    }
  } else {
    attend_any(block, queries, context);
  }
  constexpr bool kStatic = kForm == Form::kBytes;
  store_context<kStatic>(p, block, context, kStatic ? p.context_scale : loaded_scale);
}

using Kernel = void (*)(Attention);

constexpr int kMaxSteps = head_steps(kMaxHeadDim);

// Of a number of steps of depth, for each form of operands: for sequences of any length, and for
// short ones.
constexpr int kForms = 3;
struct Instances {
  std::array<Kernel, kForms> any, held;
};
template <int kSteps, bool kHeld>
constexpr std::array<Kernel, kForms> of_forms() {
  std::array<Kernel, kForms> forms{&attention<Form::kFloats, kSteps, kHeld>,
                                   &attention<Form::kBytes, kSteps, kHeld>};
  if constexpr (kSteps <= kByteHeadSteps) {
    forms[2] = &attention<Form::kScaledBytes, kSteps, kHeld>;
  }
  return forms;
}
constexpr std::array<Instances, kMaxSteps> kernels() {
  static_assert(kMaxSteps == 4 && kHeldSteps == 2);
  return {{{of_forms<1, false>(), of_forms<1, true>()},
           {of_forms<2, false>(), of_forms<2, true>()},
           {of_forms<3, false>(), {}},
           {of_forms<4, false>(), {}}}};
}

Form form_of(const AttentionLaunch& launch) {
  if (launch.byte_heads.columns > 0) return Form::kScaledBytes;
  return launch.q_u8 != nullptr ? Form::kBytes : Form::kFloats;
}

struct Shape {
  bool held;                 // scores stay in registers
  int warps, block_queries;  // of a block
  int parts;                 // blocks that share an item of work
  int sharers;               // warps that share a tile of queries
};
constexpr int kLeastQueries = kQueryBlock / kMostSharers;

// Where blocks of whole items would leave much of a large GPU idle, more blocks have fewer queries
// each, and warps without queries share those of others. So it is with one query a sequence.
Shape shape_of(const AttentionLaunch& launch) {
  const int blocks = launch.work_capacity * launch.heads;
  const int queries = launch.max_tokens < kQueryBlock ? launch.max_tokens : kQueryBlock;
  const int parts = blocks <= 64 ? kMostSharers : blocks <= 128 ? 2 : 1;
  const bool few_queries = queries <= kFewWarps * kWarpQueries;
  const int warps = few_queries && parts == 1 ? kFewWarps : kAttentionWarps;
  const int block_queries =
      launch.first_query_only ? kLeastQueries : lesser(warps * kWarpQueries, kQueryBlock / parts);
  const bool held = launch.max_tokens <= kHeldTokens && head_steps(launch.head_dim) <= kHeldSteps;
  return {.held = held,
          .warps = warps,
          .block_queries = block_queries,
          .parts = launch.first_query_only ? 1 : (queries + block_queries - 1) / block_queries,
          .sharers = held ? warps * kWarpQueries / block_queries : 1};
}

// Whether rows of a form have aligned pieces of four elements.
bool has_fours(const AttentionLaunch& x, Form form) {
  switch (form) {
    case Form::kFloats:
      return aligned_fours(x.q_f32, x.ld_q) && aligned_fours(x.k_f32, x.ld_kv) &&
             aligned_fours(x.v_f32, x.ld_kv);
    case Form::kBytes:
      return aligned_fours(x.q_u8, x.ld_q) && aligned_fours(x.k_u8, x.ld_kv) &&
             aligned_fours(x.v_u8, x.ld_kv);
    case Form::kScaledBytes:
      return aligned_fours(x.q_f32, x.ld_q) && aligned_fours(x.v_f32, x.ld_kv);
  }
  return false;
}

// Where rows of scaled bytes have what.
void set_byte_heads(Attention& p) {
  const ByteHeads& heads = p.x.byte_heads;
  p.x.q_u8 = reinterpret_cast<const std::uint8_t*>(p.x.q_f32);
  p.x.k_u8 = p.x.q_u8 + heads.columns / 2;
  p.q_scales = p.x.q_f32 + first_head_scale(heads);
  p.k_scales = p.q_scales + p.x.heads;
}

// Scales in the order of operations of docs/numerics.md.
Attention attention_of(const AttentionLaunch& launch, const Shape& shape) {
  const AttentionLaunch& x = launch;
  const Form form = form_of(x);
  const bool in_bytes = form == Form::kBytes;
  const bool out_pairs = x.out_u8 != nullptr ? aligned_pairs(x.out_u8) : aligned_pairs(x.out_f32);
  const float inv_root = 1.0F / std::sqrt(static_cast<float>(x.head_dim));
  const unsigned element_bytes = in_bytes ? 1 : sizeof(float);
  const bool fours = x.head_dim % 4 == 0 && has_fours(x, form);
  Attention p{.x = x,
              .q_scales = nullptr,
              .k_scales = nullptr,
              .score_scale = in_bytes ? x.k_scale * (x.q_scale * inv_root) : inv_root,
              .context_scale = x.out_u8 != nullptr ? x.v_scale * x.out_inv_scale : x.v_scale,
              .q_row = static_cast<unsigned>(x.ld_q) * element_bytes,
              .kv_row = static_cast<unsigned>(x.ld_kv) * element_bytes,
              .block_queries = shape.block_queries,
              .tile_bits = std::countr_zero(static_cast<unsigned>(shape.warps / shape.sharers)),
              .in_steps = x.head_dim % kInstructionDepth == 0 && fours,
              .in_fours = fours,
              .out_pairs = x.head_dim % 2 == 0 && x.ld_out % 2 == 0 && out_pairs};
  if (form == Form::kScaledBytes) set_byte_heads(p);
  return p;
}

}  // namespace

int prepare_attention() noexcept {
  cudaError_t error = cudaSuccess;
  for (const Instances& instances : kernels()) {
    for (const auto& forms : {instances.any, instances.held}) {
      for (const Kernel kernel : forms) {
        if (error == cudaSuccess && kernel != nullptr) {
          error = allow_all_shared(kernel);
        }
      }
    }
  }
  return error;
}

int launch_attention(const AttentionLaunch& launch) noexcept {
  if (launch.work_capacity == 0) {
    return cudaSuccess;
  }
  const Shape shape = shape_of(launch);
  const int steps = head_steps(launch.head_dim);
  const std::size_t shared_bytes = attention_shared_bytes(launch.max_tokens, launch.head_dim) +
                                   (shape.sharers > 1 ? shared_context_bytes(steps) : 0);
  LaunchConfig config(launch.work_capacity, shape.warps * kWarpLanes,
                      static_cast<int>(shared_bytes), launch.stream);
  config.set_grid_rows(launch.heads, shape.parts);
  const Instances instances = kernels()[static_cast<std::size_t>(steps - 1)];
  const Kernel kernel =
      (shape.held ? instances.held : instances.any)[static_cast<std::size_t>(form_of(launch))];
  return config.launch(kernel, attention_of(launch, shape));
}

}  // namespace qe::kernels::cuda
