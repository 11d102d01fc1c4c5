// Finds the builder of the architecture that a config names.
#include <algorithm>
#include <string_view>

#include "engine/models/models.h"
#include "engine/models/timm_config.h"

#include <qe/error.h>

namespace qe {
namespace {

// In a name, `#` stands for any number.
struct Entry {
  std::string_view architecture;
  Model (*build)(const Checkpoint&);
  InputKind input = InputKind::kImage;
};

constexpr Entry kArchitectures[] = {
    {"BertForSequenceClassification", models::bert_for_sequence_classification, InputKind::kText},
    {"DistilBertForSequenceClassification", models::distilbert_for_sequence_classification,
     InputKind::kText},
    {"ViTForImageClassification", models::vit_for_image_classification},
    {"efficientnet_b0", models::efficientnet},
    {"mobilenet_v2", models::mobilenet_v2},
    {"mobilenetv2_#", models::mobilenet_v2},
    {"mobilenetv2_110d", models::mobilenet_v2},
    {"mobilenetv2_120d", models::mobilenet_v2},
    {"resnet101", models::resnet},
    {"resnet152", models::resnet},
    {"resnet18", models::resnet},
    {"resnet34", models::resnet},
    {"resnet50", models::resnet},
    {"resnet#_cifar", models::resnet_cifar},
    {"resnext50_32x4d", models::resnet},
    {"squeezenet1_0", models::squeezenet},
    {"squeezenet1_1", models::squeezenet},
    {"tf_efficientnet_b0", models::efficientnet},
    {"vit_base_patch#_#", models::vit},
    {"vit_small_patch#_#", models::vit},
    {"vit_tiny_patch#_#", models::vit},
    {"wide_resnet50_2", models::resnet},
};

bool matches(std::string_view name, std::string_view pattern) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (const char expected : pattern) {
    if (name.empty()) return false;
    if (expected == '#') {
      const auto digits = std::find_if_not(name.begin(), name.end(), is_digit) - name.begin();
      if (digits == 0 || digits > 5) return false;
      name.remove_prefix(static_cast<std::size_t>(digits));
    } else {
      if (name.front() != expected) return false;
      name.remove_prefix(1);
    }
  }
  return name.empty();
}

// What a config calls its architecture, and under which key: Hugging Face lists classes, timm has
// one name.
struct Declared {
  std::string key;
  std::vector<std::string> names;
};

Declared declared_architecture(const Config& config) {
  if (!config.has("architectures") && config.has("architecture")) {
    return {"architecture", {timm_architecture(config)}};
  }
  return {"architectures", config.strings("architectures")};
}

template <typename Range, typename Text>
std::string join(const Range& parts, const char* separator, Text text) {
  std::string joined;
  for (const auto& part : parts) joined.append(joined.empty() ? "" : separator).append(text(part));
  return joined;
}

struct Found {
  const Entry& entry;
  std::string name;
};

Found find_architecture(const Config& config) {
  const auto [key, names] = declared_architecture(config);
  if (names.size() == 1) {
    for (const Entry& entry : kArchitectures) {
      if (matches(names[0], entry.architecture)) return {entry, names[0]};
    }
  }
  const auto itself = [](const std::string& name) { return name; };
  throw UnsupportedError(
      {.problem = "unsupported architecture",
       .file = config.file(),
       .name = key,
       .expected = join(kArchitectures, " or ", [](const Entry& e) { return e.architecture; }),
       .actual = names.empty() ? "none" : join(names, ", ", itself)});
}

}  // namespace

std::vector<std::string> supported_architectures() {
  std::vector<std::string> names;
  for (const Entry& entry : kArchitectures) names.emplace_back(entry.architecture);
  return names;
}

Model build_model(const Checkpoint& checkpoint) {
  const auto [entry, name] = find_architecture(checkpoint.config);
  Model model = entry.build(checkpoint);
  model.architecture = name;
  return model;
}

InputKind input_kind(const Config& config) { return find_architecture(config).entry.input; }

}  // namespace qe
