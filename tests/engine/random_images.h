// Image networks of seeded random weights, as checkpoints in memory, and images to run them on:
// what architecture they have is what their config says.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <qe/checkpoint.h>
#include <qe/model.h>

namespace qe::test {

inline std::string image_config(const std::string& architecture, int size, int classes) {
  const std::string side = std::to_string(size);
  return R"({"architecture": ")" + architecture + R"(", "num_classes": )" +
         std::to_string(classes) + R"(, "pretrained_cfg": {"input_size": [3, )" + side + ", " +
         side + "]}}";
}

// Weights that neither kill nor blow up the signal, batch norm statistics near 0 and 1.
inline Checkpoint random_image_model(const std::string& architecture, int size, int classes,
                                     unsigned seed) {
  Checkpoint checkpoint{
      .config = Config::parse(image_config(architecture, size, classes), "config"),
      .source = architecture,
      .outline = true};
  const Model outline = build_model(checkpoint);
  checkpoint.outline = false;
  std::mt19937 random(seed);
  for (const Value& value : outline.graph.values) {
    if (value.constant.empty()) continue;
    const Shape& shape = value.constant[0].shape;
    float mean = 0;
    float spread = 0.05F;
    if (shape.size() >= 2) {
      const double fan_in =
          static_cast<double>(element_count(shape)) / static_cast<double>(shape[0]);
      spread = static_cast<float>(std::sqrt(2.0 / fan_in));
    } else if (value.name.ends_with("weight") || value.name.ends_with("running_var")) {
      mean = 1;
    }
    std::normal_distribution<float> normal(mean, spread);
    std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
    for (float& v : values) v = normal(random);
    checkpoint.tensors[value.name] = {make_tensor(shape, std::move(values)), {}, architecture};
  }
  return checkpoint;
}

// Pixels with structure: waves of seeded direction and colour under some noise.
inline std::vector<std::uint8_t> random_pixels(int images, int size, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<std::uint8_t> pixels;
  for (int i = 0; i < images; ++i) {
    const double fx = 0.05 + 0.4 * (random() % 1000) / 1000.0;
    const double fy = 0.05 + 0.4 * (random() % 1000) / 1000.0;
    for (int y = 0; y < size; ++y) {
      for (int x = 0; x < size; ++x) {
        for (int c = 0; c < 3; ++c) {
          const double wave = 90.0 * std::sin(fx * x + fy * y + c);
          pixels.push_back(static_cast<std::uint8_t>(128.0 + wave + random() % 37 - 18.0));
        }
      }
    }
  }
  return pixels;
}

}  // namespace qe::test
