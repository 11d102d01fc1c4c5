// timm's pretrained_cfg, or Hugging Face's image_size.
#include <qe/image_input.h>

#include "engine/types/json_tree.h"

namespace qe {

ImageInput parse_image_input(const Config& config) {
  ImageInput input;
  if (config.has("image_size")) {
    input.height = input.width = static_cast<int>(config.integer("image_size", 1, 65535));
  }
  if (!config.has("pretrained_cfg")) return input;
  for (const auto& [key, text] : config.object("pretrained_cfg").items()) {
    const json::Value value = json::parse(text, config.file());
    const auto* array = std::get_if<json::Array>(&value.data);
    if (array == nullptr || array->size() != 3) continue;
    for (std::size_t i = 0; i < 3; ++i) {
      const double number = std::stod(std::get<json::Number>((*array)[i].data).text);
      if (key == "mean") input.mean.at(i) = static_cast<float>(number);
      if (key == "std") input.std.at(i) = static_cast<float>(number);
      if (key == "input_size" && i == 1) input.height = static_cast<int>(number);
      if (key == "input_size" && i == 2) input.width = static_cast<int>(number);
    }
  }
  return input;
}

}  // namespace qe
