// An integer convolution that reads the image takes the pixels' bytes as they are: normalization
// moves into its scales and bias, its padding into a border of the image.
#include <cmath>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace qe {
namespace {

// The only reader of the image, if it is a convolution with quantized weights.
Node* stem_of(Graph& graph, ValueId image) {
  const std::vector<int> readers = consumers(graph, image);
  if (readers.size() != 1) return nullptr;
  Node& node = graph.nodes[static_cast<std::size_t>(readers[0])];
  const auto* const conv = std::get_if<ConvOp>(&node.op);
  const bool integer = conv != nullptr && conv->groups == 1 && node.inputs[3] == kNoValue &&
                       graph.value(node.inputs[1]).quant.has_value();
  return integer ? &node : nullptr;
}

}  // namespace

void read_pixels(Graph& graph) {
  for (Node& node : graph.nodes) {
    auto* const image = std::get_if<ImageOp>(&node.op);
    if (image == nullptr) continue;
    Node* const stem = stem_of(graph, node.outputs[0]);
    if (stem == nullptr) continue;
    auto& conv = std::get<ConvOp>(stem->op);
    image->bytes = true;
    image->border = conv.padding;
    conv.padding = {};
    Value& pixels = graph.value(node.outputs[0]);
    pixels.shape[1] += image->border.top + image->border.bottom;
    pixels.shape[2] += image->border.left + image->border.right;
    pixels.shape[3] = 4;
    pixels.dtype = DType::kU8;
    QuantParams quant{.storage = DType::kU8, .granularity = Granularity::kChannel};
    for (std::size_t c = 0; c < 3; ++c) {
      quant.scale.push_back(1.0F / (255.0F * image->std[c]));
      quant.zero_point.push_back(static_cast<std::int32_t>(std::lround(255.0F * image->mean[c])));
    }
    pixels.quant = std::move(quant);
  }
}

}  // namespace qe
