// Dispatch by op, and what the lowerings share: stored constants and float conversion.
#include "engine/backends/cpu/lower.h"

#include <algorithm>

#include "engine/passes/integer_nodes.h"
#include "kernels/onednn/sgemm.h"

#include <qe/error.h>

namespace qe::cpu {
namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kBlockBytes = std::size_t{8} << 20;

bool is_bytes(const LoweringContext& context, ValueId id) {
  return context.graph.value(id).dtype == DType::kU8;
}

}  // namespace

std::byte* WeightStore::allocate_bytes(std::size_t bytes) {
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  if (blocks_.empty() || position_ + rounded > blocks_.back().size()) {
    blocks_.emplace_back(std::max(rounded, kBlockBytes), "packed weights");
    position_ = 0;
  }
  std::byte* const piece = blocks_.back().data() + position_;
  position_ += rounded;
  used_ += rounded;
  return piece;
}

LoweredStep lower(const Node& node, LoweringContext& context) {
  class Visitor {
   public:
    Visitor(const Node& n, LoweringContext& c) : node_(n), context_(c) {}
    LoweredStep operator()(const EmbeddingOp&) { return lower_embedding(node_, context_); }
    LoweredStep operator()(const LayerNormOp&) { return lower_layer_norm(node_, context_); }
    LoweredStep operator()(const QuantizeOp&) { return lower_quantize(node_, context_); }
    LoweredStep operator()(const SelectFirstOp&) { return lower_select_first(node_, context_); }
    LoweredStep operator()(const AddOp&) {
      return bytes_in() ? lower_add_int8(node_, context_) : lower_add(node_, context_);
    }
    LoweredStep operator()(const ActivationOp&) { return lower_activation(node_, context_); }
    LoweredStep operator()(const LinearOp&) {
      return bytes_in() ? lower_linear_int8(node_, context_) : lower_linear_f32(node_, context_);
    }
    LoweredStep operator()(const AttentionOp&) {
      return std::get<AttentionOp>(node_.op).integer ? lower_attention_int8(node_, context_)
                                                     : lower_attention_f32(node_, context_);
    }
    LoweredStep operator()(const ImageOp& op) {
      return op.bytes ? lower_image_bytes(node_, context_) : lower_image_f32(node_, context_);
    }
    LoweredStep operator()(const ConvOp&) {
      if (!bytes_in()) return lower_conv_f32(node_, context_);
      return is_depthwise(context_.graph, node_) ? lower_depthwise_int8(node_, context_)
                                                 : lower_conv_int8(node_, context_);
    }
    LoweredStep operator()(const BatchNormOp&) {
      throw UnsupportedError(
          {.problem = "a batch norm that no convolution before it takes in", .name = node_.name});
    }
    LoweredStep operator()(const MaxPoolOp&) {
      return bytes_in() ? lower_max_pool_int8(node_, context_)
                        : lower_max_pool_f32(node_, context_);
    }
    LoweredStep operator()(const GlobalAveragePoolOp&) {
      return bytes_in() ? lower_global_average_pool_int8(node_, context_)
                        : lower_global_average_pool_f32(node_, context_);
    }
    LoweredStep operator()(const ConcatOp&) {
      return bytes_in() ? lower_concat_int8(node_, context_) : lower_concat_f32(node_, context_);
    }
    LoweredStep operator()(const ScaleChannelsOp&) {
      return bytes_in() ? lower_scale_channels_int8(node_, context_)
                        : lower_scale_channels_f32(node_, context_);
    }
    LoweredStep operator()(const PadChannelsOp&) {
      return bytes_in() ? lower_pad_channels_int8(node_, context_)
                        : lower_pad_channels_f32(node_, context_);
    }
    LoweredStep operator()(const PatchTokensOp&) { return lower_patch_tokens(node_, context_); }

   private:
    bool bytes_in() const { return is_bytes(context_, node_.inputs[0]); }

    const Node& node_;
    LoweringContext& context_;
  };
  return std::visit(Visitor{node, context}, node.op);
}

float* store_floats(const Value& value, LoweringContext& context) {
  return store(padded_floats(value), context);
}

void dequantize(const Value& value, std::span<float> elements) {
  if (!value.quant) return;
  const bool by_input = value.quant->granularity == Granularity::kInputChannel;
  const std::vector<float> scale = by_input ? value.quant->scale : row_scales(value);
  const auto rows = static_cast<std::size_t>(value.shape[0]);
  const std::size_t run = elements.size() / (by_input ? scale.size() : rows);
  for (std::size_t i = 0; i < elements.size(); ++i) elements[i] *= scale[i / run];
}

void require_float_products(const Node& node) {
  if (kernels::onednn::available()) return;
  throw UnsupportedError({.problem = "this build runs integer models only (QE_ONEDNN=OFF)",
                          .name = node.name,
                          .expected = "a quantized model"});
}

}  // namespace qe::cpu
