// The description of an image model's input from its JSON, with the rules by which timm
// (resolve_data_config, transforms_imagenet_eval) and transformers (ViTImageProcessor) read the
// same keys. Sizes are bounded, so that no resize can be asked for that fills the memory.
#include <qe/image_input.h>

#include <cmath>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <qe/error.h>

namespace qe {
namespace {

constexpr int kLargestSide = 4096;
constexpr double kSmallestCrop = 0.1;

struct Size {
  int height, width;
};

[[noreturn]] void unsupported(const Config& config, std::string_view key, std::string expected,
                              std::string actual) {
  throw UnsupportedError({.problem = "image preprocessing is not supported",
                          .file = config.file(),
                          .name = std::string(key),
                          .expected = std::move(expected),
                          .actual = std::move(actual)});
}

int side(const Config& config, std::string_view key) {
  return static_cast<int>(config.integer(key, 1, kLargestSide));
}

std::vector<double> array_of(const Config& config, std::string_view key, std::size_t length,
                             double low, double high) {
  std::vector<double> values = config.reals(key, low, high);
  if (values.size() != length) {
    throw LoadError({.problem = "wrong number of elements",
                     .file = config.file(),
                     .name = std::string(key),
                     .expected = std::to_string(length),
                     .actual = std::to_string(values.size())});
  }
  return values;
}

int whole(const Config& config, std::string_view key, double value) {
  if (value != std::floor(value)) {
    throw LoadError({.problem = "wrong value",
                     .file = config.file(),
                     .name = std::string(key),
                     .expected = "whole numbers",
                     .actual = std::to_string(value)});
  }
  return static_cast<int>(value);
}

// [3, height, width].
Size input_size(const Config& config) {
  const auto size = array_of(config, "input_size", 3, 1, kLargestSide);
  if (size[0] != 3) {
    unsupported(config, "input_size", "3 channels", std::to_string(size[0]) + " channels");
  }
  return {whole(config, "input_size", size[1]), whole(config, "input_size", size[2])};
}

// An integer, or [height, width].
Size square_or_pair(const Config& config, std::string_view key) {
  if (!config.is_array(key)) return {side(config, key), side(config, key)};
  const auto size = array_of(config, key, 2, 1, kLargestSide);
  return {whole(config, key, size[0]), whole(config, key, size[1])};
}

void read_channels(const Config& config, std::string_view key, double low, double high,
                   std::array<float, 3>& out) {
  if (!config.has(key)) return;
  const auto values = array_of(config, key, out.size(), low, high);
  for (std::size_t c = 0; c < out.size(); ++c) out[c] = static_cast<float>(values[c]);
}

void read_normalization(const Config& config, std::string_view mean, std::string_view std,
                        ImageInput& input) {
  read_channels(config, mean, -1e3, 1e3, input.mean);
  read_channels(config, std, 1e-6, 1e3, input.std);
}

Interpolation timm_interpolation(const Config& config) {
  const std::string name = config.string_or("interpolation", "bilinear");
  if (name == "bilinear") return Interpolation::kBilinear;
  if (name == "bicubic") return Interpolation::kBicubic;
  unsupported(config, "interpolation", "bilinear or bicubic", name);
}

ResizeMode timm_crop_mode(const Config& config) {
  const std::string name = config.string_or("crop_mode", "center");
  if (name == "center") return ResizeMode::kShortSide;
  if (name == "squash") return ResizeMode::kSquash;
  unsupported(config, "crop_mode", "center or squash", name);
}

Interpolation resample(const Config& config) {
  constexpr int kPillowBilinear = 2;
  constexpr int kPillowBicubic = 3;
  const auto code = config.integer_or("resample", kPillowBilinear, 0, 5);
  if (code == kPillowBilinear) return Interpolation::kBilinear;
  if (code == kPillowBicubic) return Interpolation::kBicubic;
  unsupported(config, "resample", "2 (bilinear) or 3 (bicubic)", std::to_string(code));
}

void require_vit_processor(const Config& config) {
  for (const char* key : {"image_processor_type", "feature_extractor_type"}) {
    const std::string name = config.string_or(key, "ViTImageProcessor");
    if (!name.starts_with("ViTImageProcessor") && name != "ViTFeatureExtractor") {
      unsupported(config, key, "ViTImageProcessor", name);
    }
  }
}

// {"height": h, "width": w} or an integer.
Size box(const Config& config, std::string_view key) {
  if (!config.is_object(key)) return square_or_pair(config, key);
  const Config size = config.object(key);
  return {side(size, "height"), side(size, "width")};
}

void read_resize(const Config& config, ImageInput& input) {
  Size size = {224, 224};
  input.resize = ResizeMode::kSquash;
  if (config.is_object("size") && config.object("size").has("shortest_edge")) {
    size.height = size.width = side(config.object("size"), "shortest_edge");
    input.resize = ResizeMode::kShortSide;
  } else if (config.has("size")) {
    size = box(config, "size");
  }
  if (!config.boolean_or("do_resize", true)) input.resize = ResizeMode::kNone;
  input.resize_height = input.height = size.height;
  input.resize_width = input.width = size.width;
}

void read_crop(const Config& config, ImageInput& input) {
  if (!config.boolean_or("do_center_crop", false)) return;
  const Size size = box(config, "crop_size");
  const bool fits = size.height <= input.resize_height && size.width <= input.resize_width;
  if (input.resize != ResizeMode::kNone && !fits) {
    throw LoadError({.problem = "the crop is larger than the resized image",
                     .file = config.file(),
                     .name = "crop_size",
                     .expected = "at most " + std::to_string(input.resize_height) + " x " +
                                 std::to_string(input.resize_width),
                     .actual = std::to_string(size.height) + " x " + std::to_string(size.width)});
  }
  input.height = size.height;
  input.width = size.width;
}

// (value r - mean) / std for values in 0..255, written for values in 0..1.
void read_rescaling(const Config& config, ImageInput& input) {
  double factor = 1.0;
  if (config.boolean_or("do_rescale", true)) {
    factor = config.real_or("rescale_factor", 1.0 / 255.0, 1e-6, 1.0);
  }
  const double scale = factor * 255.0;
  for (std::size_t c = 0; c < input.mean.size(); ++c) {
    input.mean[c] = static_cast<float>(input.mean[c] / scale);
    input.std[c] = static_cast<float>(input.std[c] / scale);
  }
}

}  // namespace

ImageInput parse_image_input(const Config& config) {
  const Config timm = config.has("pretrained_cfg") ? config.object("pretrained_cfg") : config;
  ImageInput input;
  Size size = {input.height, input.width};
  if (timm.has("input_size")) size = input_size(timm);
  if (config.is_object("model_args")) {
    const Config arguments = config.object("model_args");
    if (arguments.has("img_size")) size = square_or_pair(arguments, "img_size");
  }
  input.resize = timm_crop_mode(timm);
  double crop = timm.real_or("crop_pct", 0.875, kSmallestCrop, 1.0);
  if (config.has("image_size")) {
    size = square_or_pair(config, "image_size");
    input.resize = ResizeMode::kSquash;
    crop = 1.0;
  }
  input.height = size.height;
  input.width = size.width;
  input.resize_height = static_cast<int>(std::floor(size.height / crop));
  input.resize_width = static_cast<int>(std::floor(size.width / crop));
  input.interpolation = timm_interpolation(timm);
  read_normalization(timm, "mean", "std", input);
  return input;
}

ImageInput parse_preprocessor_config(const Config& config) {
  require_vit_processor(config);
  ImageInput input;
  read_resize(config, input);
  read_crop(config, input);
  if (input.resize == ResizeMode::kShortSide && !config.boolean_or("do_center_crop", false)) {
    unsupported(config, "size", "a fixed height and width, or a centre crop",
                "shortest_edge alone");
  }
  input.interpolation = resample(config);
  const bool normalize = config.boolean_or("do_normalize", true);
  input.mean.fill(normalize ? 0.5F : 0.0F);
  input.std.fill(normalize ? 0.5F : 1.0F);
  if (normalize) read_normalization(config, "image_mean", "image_std", input);
  read_rescaling(config, input);
  return input;
}

}  // namespace qe
