// Dispatch by op.
#include "engine/backends/cuda/lower.h"

#include <qe/error.h>

#include "engine/backends/cuda/inputs.h"

namespace qe::cuda {
namespace {

class Lowering {
 public:
  Lowering(const Node& node, LoweringContext& context) : node_(node), context_(context) {}
  LoweredStep operator()(const EmbeddingOp&) { return lower_embedding(node_, context_); }
  LoweredStep operator()(const LayerNormOp&) { return lower_layer_norm(node_, context_); }
  LoweredStep operator()(const QuantizeOp&) {
    if (is_map(context_.value(node_.outputs[0]))) refuse(node_, "a feature map");
    return lower_quantize(node_, context_);
  }
  LoweredStep operator()(const SelectFirstOp&) { return lower_select_first(node_, context_); }
  LoweredStep operator()(const LinearOp&) {
    if (context_.value(node_.inputs[0]).dtype != DType::kU8) refuse(node_, "a product of floats");
    return lower_linear(node_, context_);
  }
  LoweredStep operator()(const AttentionOp& op) {
    if (!op.integer) refuse(node_, "attention in floats");
    return lower_attention(node_, context_);
  }
  template <class Op>
  LoweredStep operator()(const Op& op) {
    refuse(node_, std::string(op_name(op)));
  }

 private:
  const Node& node_;
  LoweringContext& context_;
};

}  // namespace

RowCount LaunchContext::rows(bool per_sequence) const {
  return per_sequence ? RowCount{bucket.sequences, input<std::int32_t>(layout.sequences)}
                      : RowCount{bucket.tokens, input<std::int32_t>(layout.tokens)};
}

void refuse(const Node& node, const std::string& problem) {
  throw UnsupportedError({.problem = problem + " has no kernel for a GPU",
                          .name = node.name,
                          .expected = "an INT8 model of texts"});
}

LoweredStep lower(const Node& node, LoweringContext& context) {
  return std::visit(Lowering{node, context}, node.op);
}

}  // namespace qe::cuda
