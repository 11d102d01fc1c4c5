// timm's names and arguments: https://github.com/huggingface/pytorch-image-models.
#include "engine/models/timm_config.h"

#include <algorithm>
#include <iterator>

#include "engine/models/image_builder.h"

#include <qe/error.h>

namespace qe {
namespace {

// Dropout does not act when a model runs; the head says how many classes there are; the next two
// must have one value.
constexpr std::string_view kWithoutEffect[] = {"drop_rate", "drop_path_rate", "num_classes",
                                               "in_chans", "global_pool"};

void require(const Config& arguments, const char* key, std::string_view expected,
             const std::string& actual) {
  if (actual == expected) return;
  throw UnsupportedError({.problem = "unsupported argument of the architecture",
                          .file = arguments.file(),
                          .name = std::string("model_args.") + key,
                          .expected = std::string(expected),
                          .actual = actual});
}

}  // namespace

std::string timm_architecture(const Config& config) {
  const std::string name = config.string("architecture");
  return name.substr(0, name.find('.'));
}

Config timm_arguments(const Config& config, std::initializer_list<std::string_view> known,
                      std::string_view global_pool) {
  if (!config.has("model_args")) return Config::parse("{}", config.file());
  Config arguments = config.object("model_args");
  for (const auto& [key, value] : arguments.items()) {
    if (std::count(known.begin(), known.end(), key) != 0) continue;
    if (std::count(std::begin(kWithoutEffect), std::end(kWithoutEffect), key) != 0) continue;
    std::string expected;
    for (const std::string_view name : known) {
      expected.append(expected.empty() ? "" : ", ").append(name);
    }
    throw UnsupportedError({.problem = "unsupported argument of the architecture",
                            .file = config.file(),
                            .name = "model_args." + key,
                            .expected = expected.empty() ? "none" : expected,
                            .actual = value});
  }
  require(arguments, "in_chans", "3",
          std::to_string(arguments.integer_or("in_chans", 3, 1, 1 << 16)));
  require(arguments, "global_pool", global_pool,
          arguments.string_or("global_pool", std::string(global_pool)));
  return arguments;
}

ConvStyle timm_conv_style(std::string_view architecture, const Config& arguments) {
  const bool tensorflow = architecture.starts_with("tf_");
  const std::string padding = arguments.string_or("pad_type", tensorflow ? "same" : "");
  if (!padding.empty() && padding != "same") {
    throw UnsupportedError({.problem = "unsupported padding",
                            .file = arguments.file(),
                            .name = "model_args.pad_type",
                            .expected = "same, or an empty string",
                            .actual = padding});
  }
  return {.padding = padding.empty() ? ConvShape::kCentred : ConvShape::kSame,
          .epsilon = arguments.real_or("bn_eps", tensorflow ? 1e-3 : 1e-5, 1e-12, 1.0)};
}

}  // namespace qe
