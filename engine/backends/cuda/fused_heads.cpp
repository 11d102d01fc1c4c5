// The question, on the graph and in a launch.
#include "engine/backends/cuda/fused_heads.h"

#include <algorithm>

#include "engine/backends/attention_shape.h"
#include "engine/backends/cuda/lower.h"
#include "engine/passes/rewrite.h"

namespace qe::cuda {
namespace {

// The product that makes the value; null where its rows have to be floats.
const Node* plain_product(const Graph& graph, ValueId id) {
  const Node* const node = maker_of(graph, id);
  if (node == nullptr || graph.value(id).dtype != DType::kF32) return nullptr;
  const auto* const linear = std::get_if<LinearOp>(&node->op);
  const bool plain = linear != nullptr && linear->activation == Activation::kNone &&
                     graph.value(node->inputs[0]).dtype == DType::kU8 &&
                     node->inputs[3] == kNoValue;
  return plain ? node : nullptr;
}

// The attention that reads nothing but the value, and that alone; null for other readers.
const Node* only_attention(const Graph& graph, ValueId id) {
  const Node* const node = only_reader_of(graph, id);
  if (node == nullptr) return nullptr;
  const auto* const attention = std::get_if<AttentionOp>(&node->op);
  const bool reads_alone = std::all_of(node->inputs.begin(), node->inputs.end(),
                                       [id](ValueId input) { return input == id; });
  return attention != nullptr && attention->integer && reads_alone ? node : nullptr;
}

}  // namespace

FusedHeads fused_heads(const Graph& graph, ValueId id) {
  const Node* const product = plain_product(graph, id);
  const Node* const attention = only_attention(graph, id);
  if (product == nullptr || attention == nullptr) return {};
  const AttentionShape shape = attention_shape(graph, *attention);
  const std::int64_t width = std::int64_t{shape.heads} * shape.head_dim;
  const bool side_by_side = shape.q_column == 0 && shape.k_column == width &&
                            shape.v_column == 2 * width && graph.value(id).shape[1] == 3 * width;
  if (shape.first_query_only || !side_by_side) return {};
  const Shape& weight = graph.value(product->inputs[1]).shape;
  return {.heads = shape.heads,
          .head_dim = shape.head_dim,
          .n = static_cast<int>(weight[0]),
          .k = static_cast<int>(weight[1])};
}

kernels::cuda::ByteHeads FusedHeads::in(const LaunchContext& context) const noexcept {
  const int rows = context.bucket.tokens;
  if (head_dim == 0 || rows < context.options.byte_heads_from) return {};
  const kernels::cuda::Choice choice = context.products.choose(rows, n, k);
  if (!kernels::cuda::holds_heads(kernels::cuda::kKernels[choice.kernel], head_dim)) return {};
  return {.columns = 2 * heads * head_dim, .head_dim = head_dim};
}

}  // namespace qe::cuda
