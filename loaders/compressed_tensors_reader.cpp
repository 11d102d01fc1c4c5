// Scales and zero points of a compressed-tensors directory become annotations of its tensors.
#include <algorithm>
#include <cmath>

#include <qe/error.h>
#include "loaders/compressed_tensors.h"
#include "loaders/quant_scheme.h"

namespace qe {
namespace {

[[noreturn]] void contradiction(const StoredTensor& tensor, const std::string& name,
                                std::string problem, std::string expected, std::string actual) {
  throw LoadError({.problem = std::move(problem),
                   .file = tensor.file,
                   .name = name,
                   .expected = std::move(expected),
                   .actual = std::move(actual)});
}

bool is_float(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 || dtype == DType::kBF16;
}

// What is left must be plain: no parameter without its weight, no integers without their scale.
void refuse_remainder(const std::string& tensor_name, const StoredTensor& stored) {
  for (const std::string_view suffix :
       {".weight_scale", ".weight_zero_point", ".input_scale", ".input_zero_point",
        ".weight_packed", ".weight_shape", ".weight_g_idx", ".weight_global_scale",
        ".input_global_scale", ".output_scale", ".output_zero_point"}) {
    if (tensor_name.ends_with(suffix)) {
      contradiction(stored, tensor_name, "quantization parameter that its scheme does not declare",
                    "", "");
    }
  }
  if (tensor_name.ends_with(".weight") && stored.tensor.dtype == DType::kI8 && !stored.quant) {
    contradiction(stored, tensor_name, "integer weight without scale",
                  tensor_name + "_scale in the directory", "");
  }
}

class Absorber {
 public:
  Absorber(Checkpoint& checkpoint, QuantScheme scheme)
      : checkpoint_(checkpoint), scheme_(std::move(scheme)) {}

  void run() {
    std::vector<std::string> modules;
    for (const auto& [name, stored] : checkpoint_.tensors) {
      if (name.ends_with(kScale)) modules.push_back(name.substr(0, name.size() - kScale.size()));
    }
    for (const std::string& module : modules) absorb(module);
  }

 private:
  static constexpr std::string_view kScale = ".weight_scale";

  void absorb(const std::string& module) {
    const auto weight = checkpoint_.tensors.find(module + ".weight");
    const StoredTensor scale = take(module + std::string(kScale));
    if (weight == checkpoint_.tensors.end()) {
      contradiction(scale, module + ".weight", "tensor is missing", "", "its weight_scale alone");
    }
    StoredTensor& stored = weight->second;
    const std::size_t rank = stored.tensor.shape.size();
    if (stored.tensor.dtype != DType::kI8 || (rank != 2 && rank != 4)) {
      contradiction(stored, weight->first, "quantized weight of the wrong kind",
                    "I8 [out, in] or [out, in, height, width]",
                    std::string(name(stored.tensor.dtype)) + " " + to_string(stored.tensor.shape));
    }
    const QuantGroup& group = group_of(module, stored);
    stored.quant = weight_params(module, group, stored, scale);
    if (group.input) checkpoint_.activations[module].input = input_params(module, *group.input);
  }

  const QuantGroup& group_of(const std::string& module, const StoredTensor& stored) const {
    if (scheme_.ignored.contains(module)) {
      contradiction(stored, module, "module is quantized", "float, as \"ignore\" lists it", "I8");
    }
    for (const std::string_view target :
         {std::string_view(module), module_class(module, stored.tensor)}) {
      for (const QuantGroup& group : scheme_.groups) {
        if (group.targets.contains(target)) return group;
      }
    }
    contradiction(stored, module, "no config group targets this quantized module", "", "");
  }

  QuantParams weight_params(const std::string& module, const QuantGroup& group,
                            const StoredTensor& weight, const StoredTensor& scale) {
    const std::int64_t count = scale_count(weight.tensor, group.weights);
    const bool by_group = group.weights == Granularity::kInputChannel;
    const std::int64_t elements = weight.tensor.size() / std::max<std::int64_t>(count, 1);
    if (by_group && (weight.tensor.shape.size() != 4 || elements != group.group_size)) {
      contradiction(weight, module, "groups of weights are not the input channels of a convolution",
                    std::to_string(elements), std::to_string(group.group_size));
    }
    const std::int64_t columns = by_group ? weight.tensor.shape[1] : 1;
    const std::string scale_name = module + std::string(kScale);
    QuantParams params{.storage = DType::kI8, .granularity = group.weights};
    params.scale = scales(scale, scale_name, {count / columns, columns}, 0.0F);
    const std::string zero_name = module + ".weight_zero_point";
    if (checkpoint_.tensors.contains(zero_name)) {
      const StoredTensor zero = take(zero_name);
      const std::vector<float> values = to_float(zero.tensor, zero_name);
      if (std::any_of(values.begin(), values.end(), [](float v) { return v != 0.0F; })) {
        throw UnsupportedError({.problem = "asymmetric weights are not supported",
                                .file = zero.file,
                                .name = zero_name,
                                .expected = "all zero"});
      }
    }
    return params;
  }

  QuantParams input_params(const std::string& module, QuantParams params) {
    if (params.dynamic) return params;
    const std::string scale_name = module + ".input_scale";
    params.scale = scales(take(scale_name), scale_name, {1, 1}, kSmallestStep);
    const std::string zero_name = module + ".input_zero_point";
    std::int32_t zero = 0;
    if (checkpoint_.tensors.contains(zero_name)) {
      const StoredTensor stored = take(zero_name);
      if (stored.tensor.dtype != DType::kI8 || stored.tensor.size() != 1) {
        contradiction(
            stored, zero_name, "zero point of the wrong kind", "I8 [1]",
            std::string(name(stored.tensor.dtype)) + " " + to_string(stored.tensor.shape));
      }
      zero = int{stored.tensor.data<std::int8_t>()[0]};
    }
    params.zero_point = {zero + kUnsignedOffset};
    return params;
  }

  // Finite scales of at least `least`, of shape `expected` [rows, columns] or, of one column,
  // [rows].
  static std::vector<float> scales(const StoredTensor& stored, const std::string& scale_name,
                                   const Shape& expected, float least) {
    const Shape& shape = stored.tensor.shape;
    if (!is_float(stored.tensor.dtype)) {
      contradiction(stored, scale_name, "scales of the wrong type", "F32, F16 or BF16",
                    std::string(name(stored.tensor.dtype)));
    }
    const bool flat = expected[1] == 1 && stored.tensor.size() == expected[0] && shape.size() < 2;
    if (shape != expected && !flat) {
      contradiction(stored, scale_name, "wrong shape of scales", to_string(expected),
                    to_string(shape));
    }
    std::vector<float> values = to_float(stored.tensor, scale_name);
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (!std::isfinite(values[i]) || values[i] < least) {
        contradiction(stored, scale_name + "[" + std::to_string(i) + "]", "impossible scale",
                      "a finite positive number", std::to_string(values[i]));
      }
    }
    return values;
  }

  StoredTensor take(const std::string& tensor_name) {
    const auto found = checkpoint_.tensors.find(tensor_name);
    if (found == checkpoint_.tensors.end()) {
      throw LoadError(
          {.problem = "tensor is missing", .file = checkpoint_.source, .name = tensor_name});
    }
    StoredTensor stored = std::move(found->second);
    checkpoint_.tensors.erase(found);
    return stored;
  }

  static constexpr float kSmallestStep = 0x1p-100F;

  Checkpoint& checkpoint_;
  const QuantScheme scheme_;
};

}  // namespace

std::string_view module_class(std::string_view module, const Tensor& weight) {
  if (weight.shape.size() == 4) return "Conv2d";
  const std::string_view last = module.substr(module.rfind('.') + 1);
  return last.find("embed") != std::string_view::npos ? "Embedding" : "Linear";
}

std::int64_t scale_count(const Tensor& weight, Granularity granularity) {
  switch (granularity) {
    case Granularity::kChannel:
      return weight.shape.at(0);
    case Granularity::kInputChannel:
      return weight.shape.at(0) * weight.shape.at(1);
    case Granularity::kTensor:
    case Granularity::kToken:
      break;
  }
  return 1;
}

void absorb_quantization(Checkpoint& checkpoint) {
  if (checkpoint.config.has("quantization_config")) {
    Absorber(checkpoint, parse_quant_scheme(checkpoint.config.object("quantization_config"))).run();
  }
  for (const auto& [name, stored] : checkpoint.tensors) refuse_remainder(name, stored);
}

void absorb_private_config(Checkpoint& checkpoint, const Config& private_config) {
  constexpr double kLargest = 1e30;
  constexpr double kSmallest = 1e-30;
  private_config.integer("format_version", kPrivateFormatVersion, kPrivateFormatVersion);
  if (!private_config.has("output_activations")) return;
  const Config outputs = private_config.object("output_activations");
  for (const auto& [module, text] : outputs.items()) {
    const Config params = Config::parse(text, private_config.file() + ": " + module);
    checkpoint.activations[module].output = QuantParams{
        .storage = DType::kU8,
        .granularity = Granularity::kTensor,
        .scale = {static_cast<float>(params.real("scale", kSmallest, kLargest))},
        .zero_point = {static_cast<std::int32_t>(params.integer("zero_point", 0, 255))}};
  }
}

}  // namespace qe
