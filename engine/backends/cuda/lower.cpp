// Dispatch by op.
#include "engine/backends/cuda/lower.h"

#include <qe/error.h>

#include "engine/backends/cuda/inputs.h"
#include "engine/backends/cuda/lower_half.h"

namespace qe::cuda {
namespace {

class Lowering {
 public:
  Lowering(const Node& node, LoweringContext& context) : node_(node), context_(context) {}
  LoweredStep operator()(const EmbeddingOp&) {
    if (is_half(node_.outputs[0])) return lower_half_embedding(node_, context_);
    return lower_embedding(node_, context_);
  }
  LoweredStep operator()(const LayerNormOp&) {
    if (is_half(node_.inputs[0])) return lower_half_layer_norm(node_, context_);
    return lower_layer_norm(node_, context_);
  }
  LoweredStep operator()(const QuantizeOp&) {
    if (is_map(context_.value(node_.outputs[0]))) refuse(node_, "a feature map");
    return lower_quantize(node_, context_);
  }
  LoweredStep operator()(const SelectFirstOp&) { return lower_select_first(node_, context_); }
  LoweredStep operator()(const LinearOp&) {
    if (is_half(node_.inputs[0])) return lower_half_linear(node_, context_);
    if (context_.value(node_.inputs[0]).dtype != DType::kU8) refuse(node_, "a product of floats");
    return lower_linear(node_, context_);
  }
  LoweredStep operator()(const AttentionOp& op) {
    if (is_half(node_.inputs[0])) return lower_half_attention(node_, context_);
    if (!op.integer) refuse(node_, "attention in floats");
    return lower_attention(node_, context_);
  }
  template <class Op>
  LoweredStep operator()(const Op& op) {
    refuse(node_, std::string(op_name(op)));
  }

 private:
  bool is_half(ValueId id) const { return context_.value(id).dtype == DType::kF16; }

  const Node& node_;
  LoweringContext& context_;
};

}  // namespace

RowCount LaunchContext::rows(bool per_sequence) const {
  return per_sequence ? RowCount{bucket.sequences, input<std::int32_t>(layout.sequences)}
                      : RowCount{bucket.tokens, input<std::int32_t>(layout.tokens)};
}

void refuse(const Node& node, const std::string& problem) {
  throw UnsupportedError(
      {.problem = problem + " has no kernel for a GPU",
       .name = node.name,
       .expected = "a model of texts whose products are all integers or all floats"});
}

LoweredStep lower(const Node& node, LoweringContext& context) {
  return std::visit(Lowering{node, context}, node.op);
}

}  // namespace qe::cuda
