// Annotations to quantization_config and scale tensors; the inverse of the reader.
#include <map>
#include <tuple>

#include <qe/error.h>

#include "engine/types/json_tree.h"
#include "loaders/compressed_tensors.h"

namespace qe {
namespace {

using json::Array;
using json::Null;
using json::number;
using json::Object;
using json::text;
using json::Value;

constexpr std::string_view kWeight = ".weight";

enum class InputScheme { kNone, kDynamic, kStatic };

// Modules that share a config group.
struct GroupKey {
  std::string_view module_class;
  InputScheme input;
  Granularity weights;
  std::int64_t group_size;                            // of kInputChannel
  auto operator<=>(const GroupKey&) const = default;  // NOLINT(modernize-use-nullptr): false
};
using Groups = std::map<GroupKey, std::vector<std::string>>;

std::string module_of(const std::string& weight) {
  return weight.substr(0, weight.size() - kWeight.size());
}

InputScheme input_scheme(const Checkpoint& checkpoint, const std::string& module) {
  const auto found = checkpoint.activations.find(module);
  if (found == checkpoint.activations.end() || !found->second.input) return InputScheme::kNone;
  return found->second.input->dynamic ? InputScheme::kDynamic : InputScheme::kStatic;
}

Groups collect_groups(const Checkpoint& checkpoint) {
  Groups groups;
  for (const auto& [name, stored] : checkpoint.tensors) {
    if (!stored.quant) continue;
    const std::string module = module_of(name);
    const Granularity weights = stored.quant->granularity;
    const std::int64_t group_size = weights == Granularity::kInputChannel
                                        ? stored.tensor.size() / scale_count(stored.tensor, weights)
                                        : 0;
    groups[{module_class(module, stored.tensor), input_scheme(checkpoint, module), weights,
            group_size}]
        .push_back(module);
  }
  return groups;
}

Value arguments(bool symmetric, std::string_view strategy, bool dynamic,
                std::int64_t group_size = 0) {
  return {Object{{"num_bits", number(8)},
                 {"type", text("int")},
                 {"symmetric", {symmetric}},
                 {"group_size", group_size > 0 ? number(group_size) : Value{Null{}}},
                 {"strategy", text(strategy)},
                 {"dynamic", {dynamic}}}};
}

Value render_input(InputScheme scheme) {
  switch (scheme) {
    case InputScheme::kDynamic:
      return arguments(true, "token", true);
    case InputScheme::kStatic:
      return arguments(false, "tensor", false);
    case InputScheme::kNone:
      break;
  }
  return {Null{}};
}

// The largest group of a class takes the class as its target, the others list their modules: exact
// names win over classes.
Array render_targets(const GroupKey& key, const Groups& groups) {
  std::size_t largest = 0;
  const GroupKey* owner = &key;
  for (const auto& [other, modules] : groups) {
    if (other.module_class == key.module_class && modules.size() > largest) {
      largest = modules.size();
      owner = &other;
    }
  }
  if (*owner == key) return {text(key.module_class)};
  Array targets;
  for (const std::string& module : groups.at(key)) targets.push_back(text(module));
  return targets;
}

std::string_view strategy(Granularity weights) {
  if (weights == Granularity::kInputChannel) return "group";
  return weights == Granularity::kChannel ? "channel" : "tensor";
}

Value render_groups(const Groups& groups) {
  Object out;
  for (const auto& [key, modules] : groups) {
    out.emplace_back(
        "group_" + std::to_string(out.size()),
        Value{Object{{"targets", {render_targets(key, groups)}},
                     {"weights", arguments(true, strategy(key.weights), false, key.group_size)},
                     {"input_activations", render_input(key.input)},
                     {"output_activations", {Null{}}},
                     {"format", text("int-quantized")}}});
  }
  return {std::move(out)};
}

// Float matrices: the modules that the class targets must leave alone.
Value render_ignored(const Checkpoint& checkpoint) {
  Array ignored;
  for (const auto& [name, stored] : checkpoint.tensors) {
    const std::size_t rank = stored.tensor.shape.size();
    if (!stored.quant && (rank == 2 || rank == 4) && name.ends_with(kWeight)) {
      ignored.push_back(text(module_of(name)));
    }
  }
  return {std::move(ignored)};
}

[[noreturn]] void refuse(const std::string& name, std::string problem, std::string expected) {
  throw UsageError({.problem = std::move(problem), .name = name, .expected = std::move(expected)});
}

void check_weight(const std::string& name, const StoredTensor& stored) {
  const QuantParams& quant = *stored.quant;
  if (!name.ends_with(kWeight) || stored.tensor.dtype != DType::kI8 ||
      (stored.tensor.shape.size() != 2 && stored.tensor.shape.size() != 4) ||
      quant.storage != DType::kI8 || quant.dynamic) {
    refuse(name, "quantized tensor that compressed-tensors cannot express",
           "I8 X.weight [out, in] or [out, in, height, width]");
  }
  for (const std::int32_t zero : quant.zero_point) {
    if (zero != 0) refuse(name, "asymmetric weights are not supported", "zero points of 0");
  }
  const std::int64_t scales = scale_count(stored.tensor, quant.granularity);
  if (quant.granularity == Granularity::kToken ||
      static_cast<std::int64_t>(quant.scale.size()) != scales) {
    refuse(name, "wrong number of weight scales", std::to_string(scales));
  }
}

// Floats are stored as F32; whatever else there is (position ids) stays.
Tensor render_plain(const StoredTensor& stored, const std::string& name) {
  switch (stored.tensor.dtype) {
    case DType::kF16:
    case DType::kBF16:
    case DType::kF64:
      return make_tensor(stored.tensor.shape, to_float(stored.tensor, name));
    default:
      return stored.tensor;
  }
}

void render_input_params(const std::string& module, const QuantParams& input, TensorMap& out) {
  if (input.dynamic) return;
  const bool fits = input.storage == DType::kU8 && input.scale.size() == 1 &&
                    input.zero_point.size() == 1 && input.zero_point[0] >= 0 &&
                    input.zero_point[0] <= 255;
  if (!fits) refuse(module, "static input that cannot be expressed", "one U8 scale and zero point");
  out[module + ".input_scale"] = make_tensor<float>({1}, input.scale);
  out[module + ".input_zero_point"] = make_tensor<std::int8_t>(
      {1}, {static_cast<std::int8_t>(input.zero_point[0] - kUnsignedOffset)});
}

}  // namespace

std::string render_quantization_config(const Checkpoint& checkpoint) {
  return json::dump({Object{{"config_groups", render_groups(collect_groups(checkpoint))},
                            {"format", text("int-quantized")},
                            {"global_compression_ratio", {Null{}}},
                            {"ignore", render_ignored(checkpoint)},
                            {"kv_cache_scheme", {Null{}}},
                            {"quant_method", text("compressed-tensors")},
                            {"quantization_status", text("compressed")}}},
                    -1);
}

TensorMap render_tensors(const Checkpoint& checkpoint) {
  TensorMap out;
  for (const auto& [name, stored] : checkpoint.tensors) {
    if (!stored.quant) {
      out[name] = render_plain(stored, name);
      continue;
    }
    check_weight(name, stored);
    const auto scales = static_cast<std::int64_t>(stored.quant->scale.size());
    Shape shape = {1};
    if (stored.quant->granularity == Granularity::kChannel) shape = {scales, 1};
    if (stored.quant->granularity == Granularity::kInputChannel) {
      shape = {stored.tensor.shape[0], stored.tensor.shape[1]};
    }
    out[name] = stored.tensor;
    out[name + "_scale"] = make_tensor<float>(shape, stored.quant->scale);
  }
  for (const auto& [module, activation] : checkpoint.activations) {
    if (!activation.input && activation.output) continue;  // in the private companion file
    const auto weight = checkpoint.tensors.find(module + std::string(kWeight));
    if (weight == checkpoint.tensors.end() || !weight->second.quant || !activation.input) {
      refuse(module, "activation scheme of a module without quantized weight", "");
    }
    render_input_params(module, *activation.input, out);
  }
  return out;
}

}  // namespace qe
