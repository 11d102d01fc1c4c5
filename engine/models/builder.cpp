// Checks every tensor an architecture asks for and records it in the graph.
#include "engine/models/builder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <map>
#include <utility>

#include <qe/error.h>

namespace qe {
namespace {

constexpr std::int64_t kMostLabels = 1 << 20;

std::int64_t width_of(const Graph& graph, ValueId id) { return graph.value(id).shape.at(1); }

// All bits of a float's exponent set: NaN or Inf.
template <typename T>
bool all_finite(std::span<const std::byte> bytes, T exponent_mask) {
  T found = 0;
  const std::size_t count = bytes.size() / sizeof(T);
  constexpr std::size_t kChunk = 4096;
  for (std::size_t i = 0; i < count; i += kChunk) {
    const std::size_t end = std::min(count, i + kChunk);
    for (std::size_t j = i; j < end; ++j) {
      T bits;
      std::memcpy(&bits, bytes.data() + j * sizeof(T), sizeof(T));
      found |= static_cast<T>((bits & exponent_mask) == exponent_mask);
    }
    if (found != 0) return false;
  }
  return true;
}

bool finite(const Tensor& tensor) {
  switch (tensor.dtype) {
    case DType::kF32:
      return all_finite<std::uint32_t>(tensor.bytes, 0x7f800000U);
    case DType::kF16:
      return all_finite<std::uint16_t>(tensor.bytes, 0x7c00U);
    case DType::kBF16:
      return all_finite<std::uint16_t>(tensor.bytes, 0x7f80U);
    case DType::kF64:
      return all_finite<std::uint64_t>(tensor.bytes, 0x7ff0000000000000U);
    default:
      return true;
  }
}

}  // namespace

Activation parse_activation(const Config& config, std::string_view key) {
  const std::string text = config.string_or(key, "gelu");
  if (text == "gelu") return Activation::kGeluErf;
  if (text == "gelu_new" || text == "gelu_pytorch_tanh") return Activation::kGeluTanh;
  if (text == "relu") return Activation::kRelu;
  throw UnsupportedError({.problem = "unsupported activation",
                          .file = config.file(),
                          .name = std::string(key),
                          .expected = "gelu, gelu_new, gelu_pytorch_tanh or relu",
                          .actual = text});
}

ModelBuilder::ModelBuilder(const Checkpoint& checkpoint) : checkpoint_(checkpoint) {}

std::string ModelBuilder::scoped(std::string_view prefix, std::string_view name) const {
  const auto it = checkpoint_.tensors.lower_bound(prefix);
  const bool prefixed = it != checkpoint_.tensors.end() && it->first.starts_with(prefix);
  return (prefixed ? std::string(prefix) : std::string()) + std::string(name);
}

const StoredTensor& ModelBuilder::find(const std::string& tensor, const Shape& shape) {
  const auto it = checkpoint_.tensors.find(tensor);
  if (it == checkpoint_.tensors.end()) {
    throw LoadError({.problem = "missing tensor",
                     .file = checkpoint_.source,
                     .name = tensor,
                     .expected = to_string(shape)});
  }
  const StoredTensor& stored = it->second;
  if (stored.tensor.shape != shape) {
    throw LoadError({.problem = "tensor has the wrong shape for this config",
                     .file = stored.file,
                     .name = tensor,
                     .expected = to_string(shape),
                     .actual = to_string(stored.tensor.shape)});
  }
  const bool is_float = stored.tensor.dtype == DType::kF32 || stored.tensor.dtype == DType::kF16 ||
                        stored.tensor.dtype == DType::kBF16 || stored.tensor.dtype == DType::kF64;
  if (!is_float && !(stored.quant && stored.tensor.dtype == DType::kI8)) {
    throw UnsupportedError({.problem = "unsupported element type",
                            .file = stored.file,
                            .name = tensor,
                            .expected = "F16, BF16, F32, F64 or quantized I8",
                            .actual = std::string(name(stored.tensor.dtype))});
  }
  if (!finite(stored.tensor)) {
    throw LoadError(
        {.problem = "tensor holds NaN or infinity", .file = stored.file, .name = tensor});
  }
  return stored;
}

ValueId ModelBuilder::constant(const std::string& tensor, const Shape& shape) {
  return constant(tensor, shape, shape);
}

ValueId ModelBuilder::constant(const std::string& tensor, const Shape& shape, Shape as) {
  const StoredTensor outlined{
      .tensor = {.dtype = DType::kF32, .shape = shape, .bytes = {}, .owner = nullptr},
      .quant = {},
      .file = {}};
  const StoredTensor& stored = checkpoint_.outline ? outlined : find(tensor, shape);
  used_.insert(tensor);
  model_.parameters += element_count(shape);
  model_.weight_bytes += static_cast<std::int64_t>(stored.tensor.bytes.size());
  Value value;
  value.name = tensor;
  value.shape = std::move(as);
  value.dtype = stored.tensor.dtype;
  value.quant = stored.quant;
  value.constant = {stored.tensor};
  return model_.graph.add_value(std::move(value));
}

void ModelBuilder::annotate(ValueId id, const std::optional<QuantParams>& quant,
                            const std::string& module) {
  if (!quant) return;
  Value& value = model_.graph.value(id);
  if (value.quant && !same_scale(*value.quant, *quant)) {
    throw LoadError({.problem = "modules that share an input quantize it differently",
                     .file = checkpoint_.source,
                     .name = module});
  }
  value.quant = quant;
}

ValueId ModelBuilder::embedding(const std::string& name, const std::vector<Table>& tables,
                                std::int64_t width) {
  std::vector<ValueId> inputs;
  inputs.reserve(tables.size());
  for (const Table& table : tables) {
    inputs.push_back(constant(table.module + ".weight", {table.rows, width}));
  }
  return model_.graph.add_node(name, EmbeddingOp{}, std::move(inputs), {kTokens, width});
}

ValueId ModelBuilder::layer_norm(ValueId x, const std::string& module, double epsilon) {
  const Shape shape = {width_of(model_.graph, x)};
  const bool legacy = checkpoint_.tensors.contains(module + ".gamma");
  const ValueId gamma = constant(module + (legacy ? ".gamma" : ".weight"), shape);
  const ValueId beta = constant(module + (legacy ? ".beta" : ".bias"), shape);
  return model_.graph.add_node(module, LayerNormOp{static_cast<float>(epsilon)}, {x, gamma, beta},
                               model_.graph.value(x).shape);
}

ValueId ModelBuilder::linear(ValueId x, const std::string& module, std::int64_t out_features) {
  const std::int64_t in_features = width_of(model_.graph, x);
  const ValueId weight = constant(module + ".weight", {out_features, in_features});
  const ValueId bias = constant(module + ".bias", {out_features});
  return add_module(module, LinearOp{}, {x, weight, bias, kNoValue},
                    {model_.graph.value(x).shape[0], out_features});
}

ValueId ModelBuilder::add_module(const std::string& module, Op op, std::vector<ValueId> inputs,
                                 Shape shape) {
  const ValueId x = inputs.at(0);
  const ValueId y =
      model_.graph.add_node(module, std::move(op), std::move(inputs), std::move(shape));
  if (const auto it = checkpoint_.activations.find(module); it != checkpoint_.activations.end()) {
    annotate(x, it->second.input, module);
  }
  return y;
}

// Outputs are annotated by the name of the value, which need not be a module's.
void ModelBuilder::annotate_outputs() {
  std::map<std::string_view, ValueId> made;
  for (const Node& node : model_.graph.nodes) {
    const Value& value = model_.graph.value(node.outputs[0]);
    if (!made.emplace(value.name, node.outputs[0]).second) {
      throw GraphError({.problem = "two values have one name", .name = value.name});
    }
  }
  for (const auto& [name, activation] : checkpoint_.activations) {
    if (!activation.output) continue;
    const auto it = made.find(name);
    if (it == made.end()) {
      throw LoadError({.problem = "output scale of a value that this architecture does not have",
                       .file = checkpoint_.source,
                       .name = name});
    }
    annotate(it->second, activation.output, name);
  }
}

ValueId ModelBuilder::activation(ValueId x, const std::string& name, Activation kind) {
  return model_.graph.add_node(name, ActivationOp{kind}, {x}, model_.graph.value(x).shape);
}

ValueId ModelBuilder::add(ValueId a, ValueId b, const std::string& name) {
  return model_.graph.add_node(name, AddOp{}, {a, b}, model_.graph.value(a).shape);
}

ValueId ModelBuilder::attention(ValueId q, ValueId k, ValueId v, const std::string& name,
                                int heads) {
  AttentionOp op;
  op.heads = heads;
  op.width = width_of(model_.graph, q);
  return model_.graph.add_node(name, op, {q, k, v}, model_.graph.value(q).shape);
}

ValueId ModelBuilder::self_attention(ValueId qkv, const std::string& name, int heads) {
  AttentionOp op;
  op.heads = heads;
  op.width = width_of(model_.graph, qkv) / 3;
  op.k_column = op.width;
  op.v_column = 2 * op.width;
  return model_.graph.add_node(name, op, {qkv, qkv, qkv}, {kTokens, op.width});
}

ValueId ModelBuilder::select_first(ValueId x, const std::string& name) {
  return model_.graph.add_node(name, SelectFirstOp{}, {x}, {kSequences, width_of(model_.graph, x)});
}

std::int64_t ModelBuilder::head_rows(const std::string& module) const {
  if (checkpoint_.outline) return config().integer("num_classes", 1, kMostLabels);
  const std::string tensor = module + ".weight";
  const auto it = checkpoint_.tensors.find(tensor);
  if (it == checkpoint_.tensors.end() || it->second.tensor.shape.size() < 2 ||
      it->second.tensor.shape[0] < 1) {
    throw LoadError({.problem = "missing or mis-shaped tensor",
                     .file = checkpoint_.source,
                     .name = tensor,
                     .expected = "[rows, columns]",
                     .actual = it == checkpoint_.tensors.end()
                                   ? "no tensor"
                                   : to_string(it->second.tensor.shape)});
  }
  return it->second.tensor.shape[0];
}

void ModelBuilder::require_labels(const char* key, std::int64_t count, std::int64_t head) const {
  if (count == head) return;
  throw LoadError({.problem = "labels do not match the classifier's head",
                   .file = config().file(),
                   .name = key,
                   .expected = std::to_string(head) + " labels",
                   .actual = std::to_string(count)});
}

// Hugging Face's table from ids to labels.
std::vector<std::string> ModelBuilder::label_table(std::int64_t head) const {
  std::vector<std::string> names(static_cast<std::size_t>(head));
  std::set<std::int64_t> seen;
  const Config table = config().object("id2label");
  for (const auto& [key, unused] : table.items()) {
    std::int64_t index = -1;
    const bool digits =
        !key.empty() && key.size() < 10 &&
        std::all_of(key.begin(), key.end(), [](char c) { return c >= '0' && c <= '9'; });
    if (digits) index = std::stoll(key);
    if (index < 0 || index >= head || !seen.insert(index).second) {
      throw LoadError({.problem = "labels do not match the classifier's head",
                       .file = config().file(),
                       .name = "id2label",
                       .expected = "ids 0 to " + std::to_string(head - 1),
                       .actual = key});
    }
    names[static_cast<std::size_t>(index)] = table.string(key);
  }
  require_labels("id2label", static_cast<std::int64_t>(seen.size()), head);
  return names;
}

std::vector<std::string> ModelBuilder::labels(std::int64_t head) const {
  if (config().has("num_classes")) {
    require_labels("num_classes", config().integer("num_classes", 1, kMostLabels), head);
  }
  if (config().has("id2label")) return label_table(head);
  if (config().has("label_names")) {  // timm
    std::vector<std::string> names = config().strings("label_names");
    require_labels("label_names", static_cast<std::int64_t>(names.size()), head);
    return names;
  }
  std::vector<std::string> names;
  for (std::int64_t i = 0; i < head; ++i) names.push_back("LABEL_" + std::to_string(i));
  return names;
}

ProblemType ModelBuilder::problem_type() const {
  const std::string text = config().string_or("problem_type", "single_label_classification");
  if (text == "single_label_classification") return ProblemType::kSingleLabel;
  if (text == "multi_label_classification") return ProblemType::kMultiLabel;
  throw UnsupportedError({.problem = "unsupported problem type",
                          .file = config().file(),
                          .name = "problem_type",
                          .expected = "single_label_classification or multi_label_classification",
                          .actual = text});
}

Model ModelBuilder::finish(ValueId logits) {
  for (const auto& [tensor, stored] : checkpoint_.tensors) {
    if (!used_.contains(tensor)) {
      throw LoadError({.problem = "unexpected tensor: this architecture has no such parameter",
                       .file = stored.file,
                       .name = tensor});
    }
  }
  annotate_outputs();
  model_.graph.output = logits;
  model_.labels = labels(width_of(model_.graph, logits));
  model_.problem = problem_type();
  model_.quantized = checkpoint_.quantized();
  verify(model_.graph);
  return std::move(model_);
}

}  // namespace qe
