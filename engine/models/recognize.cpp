// Marks by which torchvision's state dicts are told apart, and CIFAR ResNets by their head. Models
// of torchvision were trained on images of ImageNet's statistics, 224 of 256 pixels, which is what
// ImageInput says without a config.
#include "engine/models/recognize.h"

#include <algorithm>
#include <array>

#include <qe/error.h>

namespace qe {
namespace {

using Tensors = std::map<std::string, StoredTensor, std::less<>>;

// A tensor that the architecture has, its shape (0 stands for any size), and one it lacks.
struct Mark {
  std::string_view architecture;
  std::string_view has;
  std::array<std::int64_t, 4> shape;
  std::string_view lacks;
  std::string_view input = "{}";  // what the input has that is not the default
};

constexpr Mark kMarks[] = {
    {"resnet18", "layer4.1.conv2.weight", {512, 512, 3, 3}, "layer4.2.conv1.weight"},
    {"resnet34", "layer4.2.conv2.weight", {512, 512, 3, 3}, "layer4.2.conv3.weight"},
    {"resnet50", "layer3.5.conv2.weight", {256, 256, 3, 3}, "layer3.6.conv1.weight"},
    {"resnet101", "layer3.22.conv2.weight", {256, 256, 3, 3}, "layer3.23.conv1.weight"},
    {"resnet152", "layer3.35.conv2.weight", {256, 256, 3, 3}, "layer3.36.conv1.weight"},
    {"resnext50_32x4d", "layer3.5.conv2.weight", {512, 16, 3, 3}, "layer3.6.conv1.weight"},
    {"wide_resnet50_2", "layer3.5.conv2.weight", {512, 512, 3, 3}, "layer3.6.conv1.weight"},
    {"mobilenet_v2", "features.17.conv.1.0.weight", {0, 1, 3, 3}, "features.19.0.weight"},
    {"efficientnet_b0",
     "features.8.0.weight",
     {1280, 320, 1, 1},
     "features.7.1.block.0.0.weight",
     R"({"interpolation": "bicubic"})"},
    {"squeezenet1_0", "features.3.squeeze.weight", {16, 96, 1, 1}, "features.13.squeeze.weight"},
    {"squeezenet1_1", "features.3.squeeze.weight", {16, 64, 1, 1}, "features.13.squeeze.weight"},
};

bool bears(const Tensors& tensors, const Mark& mark) {
  const auto it = tensors.find(mark.has);
  if (it == tensors.end() || tensors.contains(mark.lacks)) return false;
  const Shape& shape = it->second.tensor.shape;
  return std::equal(shape.begin(), shape.end(), mark.shape.begin(), mark.shape.end(),
                    [](std::int64_t a, std::int64_t b) { return a == b || b == 0; });
}

// "resnet20_cifar" of 3 blocks a stage; empty if the head or the stages are not those.
std::string cifar_name(const Tensors& tensors) {
  if (!tensors.contains("linear.weight") || tensors.contains("layer4.0.conv1.weight")) return "";
  int blocks = 0;
  while (tensors.contains("layer3." + std::to_string(blocks) + ".conv1.weight")) ++blocks;
  return blocks == 0 ? "" : "resnet" + std::to_string(6 * blocks + 2) + "_cifar";
}

Config config_of(std::string_view architecture, std::string_view input, const std::string& source) {
  std::string json = R"({"architecture": ")";
  json.append(architecture).append(R"(", "pretrained_cfg": )").append(input).append("}");
  return Config::parse(json, source);
}

}  // namespace

Config recognize_architecture(const Tensors& tensors, const std::string& source) {
  for (const Mark& mark : kMarks) {
    if (bears(tensors, mark)) return config_of(mark.architecture, mark.input, source);
  }
  if (const std::string name = cifar_name(tensors); !name.empty()) {
    return config_of(name, R"({"input_size": [3, 32, 32], "crop_pct": 1.0})", source);
  }
  std::string known;
  for (const Mark& mark : kMarks) known.append(mark.architecture).append(", ");
  throw UnsupportedError(
      {.problem = "no config.json, and the tensors do not tell the architecture",
       .file = source,
       .name = "config.json",
       .expected = "config.json, or the tensors of " + known + "or a CIFAR ResNet"});
}

}  // namespace qe
