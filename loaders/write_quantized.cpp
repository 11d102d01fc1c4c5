// Quantized Checkpoint to Hugging Face directory.
#include <algorithm>
#include <array>
#include <charconv>

#include <qe/error.h>
#include <qe/save.h>

#include "engine/types/json_tree.h"
#include "loaders/compressed_tensors.h"
#include "loaders/file.h"
#include "loaders/file_hash.h"
#include "loaders/model_files.h"
#include "loaders/output_file.h"
#include "loaders/safetensors.h"
#include "loaders/staged_directory.h"
#include "loaders/typed_errors.h"

namespace qe {
namespace fs = std::filesystem;
namespace {

using json::Number;
using json::Object;
using json::Value;

// The source's configuration with `quantization_config` added; floats are stored as F32.
std::string render_config(const Config& source, const Checkpoint& quantized) {
  constexpr std::string_view kFloat = "\"float32\"";
  std::string text = "{";
  const auto add = [&text](std::string_view key, std::string_view value) {
    if (text.size() > 1) text += ',';
    text += json::quote(std::string(key));
    text += ':';
    text += value;
  };
  for (const auto& [key, value] : source.items()) {
    if (key != "dtype" && key != "torch_dtype") add(key, value);
  }
  add("dtype", kFloat);
  add("torch_dtype", kFloat);
  add("quantization_config", render_quantization_config(quantized));
  text += '}';
  return Config::parse(text, source.file()).dump() + "\n";
}

// Shortest digits that give the same double, and so the same float, when read.
Number exact(float value) {
  std::array<char, 32> digits{};
  const auto end = std::to_chars(digits.begin(), digits.end(), static_cast<double>(value)).ptr;
  return {std::string(digits.begin(), end), false};
}

Object render_outputs(const Checkpoint& quantized) {
  Object outputs;
  for (const auto& [module, activation] : quantized.activations) {
    if (!activation.output) continue;
    const QuantParams& output = *activation.output;
    if (output.dynamic || output.storage != DType::kU8 || output.scale.size() != 1 ||
        output.zero_point.size() != 1) {
      throw UsageError({.problem = "output scheme that cannot be expressed",
                        .name = module,
                        .expected = "one static U8 scale and zero point"});
    }
    outputs.emplace_back(module, Value{Object{{"scale", {exact(output.scale[0])}},
                                              {"zero_point", json::number(output.zero_point[0])}}});
  }
  return outputs;
}

// What a model was read from: the files of a directory, or a bare state dict.
struct SourceFiles {
  fs::path directory;
  std::vector<std::string> companions = {};  // copied as they are
  std::vector<std::string> model = {};       // config and weights
};

SourceFiles find_source_files(const fs::path& source) {
  if (is_state_dict(source)) {
    return {.directory = source.parent_path(), .model = {source.filename().string()}};
  }
  SourceFiles files{.directory = source, .companions = find_companion_files(source)};
  if (!find_in_directory(source, kConfigFile)) {
    if (const auto file = find_state_dict(source)) {
      files.model = {file->filename().string()};
      return files;
    }
  }
  const WeightFiles weights = find_weight_files(source);
  files.model.emplace_back(kConfigFile);
  if (weights.index) files.model.push_back(*weights.index);
  for (const auto& [shard, tensors] : weights.shards) files.model.push_back(shard);
  return files;
}

Object hash_inputs(const SourceFiles& source) {
  std::vector<std::string> names = source.companions;
  names.insert(names.end(), source.model.begin(), source.model.end());
  std::sort(names.begin(), names.end());
  Object hashes;
  for (const std::string& name : names) {
    hashes.emplace_back(name, Value{hash_file(require_file(source.directory, name))});
  }
  return hashes;
}

std::string render_private_config(const Checkpoint& quantized, const SourceFiles& source,
                                  const std::string& recipe) {
  Object out{{"format_version", json::number(kPrivateFormatVersion)},
             {"recipe", json::parse(recipe, "recipe")},
             {"inputs", {hash_inputs(source)}}};
  if (!std::holds_alternative<Object>(out[1].value.data)) {
    throw UsageError({.problem = "recipe is not a JSON object"});
  }
  Object outputs = render_outputs(quantized);
  if (!outputs.empty()) out.emplace_back("output_activations", Value{std::move(outputs)});
  return json::dump({std::move(out)}, 2) + "\n";
}

void copy_durably(const fs::path& from, const fs::path& to) {
  const auto image = FileImage::open(from, /*use_mmap=*/true);
  OutputFile out(to);
  out.write(image->bytes());
  out.commit();
}

// Replacing a directory must not remove the one that is being read.
void refuse_source_inside(const fs::path& source, const fs::path& output) {
  std::error_code error;
  if (!fs::exists(output, error)) return;
  const fs::path inner = fs::canonical(source);
  const fs::path outer = fs::canonical(output);
  const auto [end, rest] = std::mismatch(outer.begin(), outer.end(), inner.begin(), inner.end());
  if (end == outer.end()) {
    throw UsageError({.problem = "output would replace the model it is made from",
                      .file = output.string(),
                      .expected = "another directory than " + source.string()});
  }
}

void write(const Checkpoint& quantized, const fs::path& source, const fs::path& output,
           const WriteOptions& options) {
  const SourceFiles files = find_source_files(source);
  const Config config = files.model[0] == kConfigFile
                            ? read_config_file(require_file(source, kConfigFile))
                            : quantized.config;
  if (config.has("quantization_config")) {
    throw LoadError({.problem = "model is quantized already",
                     .file = source.string(),
                     .name = "quantization_config"});
  }
  if (!quantized.quantized()) {
    throw UsageError({.problem = "model to write is not quantized", .file = quantized.source});
  }
  refuse_source_inside(source, output);
  const TensorMap tensors = render_tensors(quantized);
  const std::string public_config = render_config(config, quantized);
  StagedDirectory staged(output, options.force);
  write_text_file(staged.path() / "config.json", public_config);
  write_text_file(staged.path() / kPrivateConfigFile,
                  render_private_config(quantized, files, options.recipe));
  for (const std::string& name : files.companions) {
    copy_durably(require_file(files.directory, name), staged.path() / name);
  }
  write_safetensors(staged.path() / "model.safetensors", tensors, {{"format", "pt"}});
  staged.commit();
}

}  // namespace

void write_quantized(const Checkpoint& quantized, const fs::path& source, const fs::path& output,
                     const WriteOptions& options) {
  with_typed_errors(output, [&] { write(quantized, source, output, options); });
}

}  // namespace qe
