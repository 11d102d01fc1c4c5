// Walks the outline of a model in order, with the mean square of every value as an estimate, and
// draws the constants of each node.
#include "loaders/synthetic_images.h"

#include <array>
#include <cmath>
#include <set>

#include <qe/model.h>

#include "loaders/synthetic_weights.h"

namespace qe {
namespace {

constexpr std::array<std::string_view, 6> kNames = {"resnet18",        "resnet50",
                                                    "mobilenetv2_100", "efficientnet_b0",
                                                    "squeezenet1_1",   "vit_small_patch16_224"};
constexpr int kPixels = 224;
// What ReLU leaves of the mean square of a branch and a shortcut that is not negative.
constexpr double kKeptOfSum = 0.75;
constexpr float kSpread = 0.1F;  // of scales and shifts around their mean

class Weights {
 public:
  Weights(const Graph& graph, std::uint64_t seed)
      : graph_(graph), seed_(seed), squares_(graph.values.size(), 1.0) {}

  TensorMap draw() {
    for (const Node& node : graph_.nodes) {
      const double square = std::visit([&](const auto& op) { return draw(op, node); }, node.op);
      squares_[static_cast<std::size_t>(node.outputs[0])] = square;
    }
    return std::move(tensors_);
  }

 private:
  double input(const Node& node, std::size_t i = 0) const {
    return squares_[static_cast<std::size_t>(node.inputs[i])];
  }
  void fill(const Node& node, std::size_t i, double mean, double deviation) {
    if (i >= node.inputs.size() || node.inputs[i] == kNoValue) return;
    const Value& value = graph_.value(node.inputs[i]);
    tensors_[value.name] = random_normal(value.name, seed_, value.constant.at(0).shape,
                                         static_cast<float>(mean), static_cast<float>(deviation));
  }
  // Weight and bias whose products have `gain` times the mean square of their input.
  double fill_product(const Node& node, double gain) {
    const Shape& weight = graph_.value(node.inputs[1]).shape;
    const std::int64_t inputs = element_count(weight) / weight[0];
    const auto fan_in = static_cast<double>(inputs);
    fill(node, 1, 0.0, std::sqrt(gain / fan_in));
    const double square = gain * input(node);
    fill(node, 2, 0.0, kSpread * std::sqrt(square));
    return square;
  }

  double draw(const ImageOp&, const Node&) { return 1.0; }
  double draw(const ConvOp&, const Node& node) { return fill_product(node, 2.0); }
  double draw(const LinearOp&, const Node& node) { return fill_product(node, 1.0); }
  double draw(const BatchNormOp&, const Node& node) {
    const double variance = input(node);
    fill(node, 1, 1.0, kSpread);
    fill(node, 2, 0.0, kSpread);
    fill(node, 3, 0.0, kSpread * std::sqrt(variance));
    fill(node, 4, variance, kSpread * variance);
    return 1.0;
  }
  double draw(const LayerNormOp&, const Node& node) {
    fill(node, 1, 1.0, kSpread);
    fill(node, 2, 0.0, kSpread);
    return 1.0;
  }
  double draw(const PatchTokensOp&, const Node& node) {
    const double square = input(node);
    for (const std::size_t i : {1, 2}) fill(node, i, 0.0, std::sqrt(square));
    return 2.0 * square;
  }
  double draw(const ActivationOp& op, const Node& node) {
    switch (op.kind) {
      case Activation::kRelu:
      case Activation::kRelu6:
        return (sums_.contains(node.inputs[0]) ? kKeptOfSum : 0.5) * input(node);
      case Activation::kGeluErf:
      case Activation::kGeluTanh:
      case Activation::kSilu:
        return 0.4 * input(node);
      case Activation::kSigmoid:
        return 0.3;
      case Activation::kTanh:
      case Activation::kNone:
        break;
    }
    return input(node);
  }
  double draw(const AddOp&, const Node& node) {
    sums_.insert(node.outputs[0]);
    return input(node, 0) + input(node, 1);
  }
  double draw(const ScaleChannelsOp&, const Node& node) { return input(node, 0) * input(node, 1); }
  // Of values none of which is negative, which is what networks average.
  double draw(const GlobalAveragePoolOp&, const Node& node) { return 0.3 * input(node); }
  // Other ops hand on what they get, or nearly.
  template <typename Op>
  double draw(const Op&, const Node& node) {
    return input(node);
  }

  const Graph& graph_;
  std::uint64_t seed_;
  std::vector<double> squares_;  // by value
  std::set<ValueId> sums_;
  TensorMap tensors_;
};

}  // namespace

std::vector<std::string> synthetic_image_models() { return {kNames.begin(), kNames.end()}; }

json::Object synthetic_image_config(std::string_view name, int labels) {
  using json::Array;
  using json::number;
  using json::text;
  Array label_names;
  for (int i = 0; i < labels; ++i) label_names.push_back(text("LABEL_" + std::to_string(i)));
  json::Object input = {
      {"input_size", {Array{number(3), number(kPixels), number(kPixels)}}},
      {"interpolation", text("bilinear")},
  };
  return {{"architecture", text(name)},
          {"num_classes", number(labels)},
          {"label_names", {std::move(label_names)}},
          {"pretrained_cfg", {std::move(input)}}};
}

TensorMap random_image_weights(const Config& config, std::uint64_t seed) {
  return Weights(build_model({.config = config, .outline = true}).graph, seed).draw();
}

}  // namespace qe
