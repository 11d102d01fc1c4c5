// Hundreds of single mutations of a quantized directory: each must be a typed error that names the
// tensor, module or key at fault, raised while loading.
#include <cmath>
#include <functional>
#include <limits>

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <qe/save.h>

#include "loaders/safetensors.h"
#include "tests/loaders/models.h"

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using qe::TensorMap;
using qe::test::error_of;
using qe::test::read_file;
using qe::test::write_file;

// A quantized directory whose files can be changed and restored.
class Mutator : public qe::test::TempDir {
 public:
  explicit Mutator(qe::test::Activations activations = qe::test::Activations::kMixed)
      : model_(path() / "q") {
    qe::write_synthetic("bert-tiny", path() / "float");
    const auto source = qe::load_checkpoint(path() / "float");
    qe::write_quantized(qe::test::quantize_plainly(source, activations), path() / "float", model_);
    checkpoint_ = qe::load_checkpoint(model_, {.use_mmap = false});
    tensors_ = qe::read_safetensors(model_ / "model.safetensors", false).tensors;
    for (const char* file : {"config.json", "qe_config.json"})
      texts_[file] = read_file(model_ / file);
  }

  // Loads with changed tensors; the error must mention `name`.
  void tensors(const std::string& name, const std::function<void(TensorMap&)>& edit) {
    TensorMap changed = tensors_;
    edit(changed);
    qe::write_safetensors(model_ / "model.safetensors", changed);
    expect(name);
    restore_weights_ = true;
  }

  // Loads with changed JSON; the error must mention `name`.
  void json(const std::string& file, const std::string& name,
            const std::function<void(ordered_json&)>& edit) {
    if (restore_weights_) qe::write_safetensors(model_ / "model.safetensors", tensors_);
    restore_weights_ = false;
    ordered_json changed = ordered_json::parse(texts_.at(file));
    edit(changed);
    write_file(model_ / file, changed.dump());
    expect(name);
    write_file(model_ / file, texts_.at(file));
  }

  const qe::Checkpoint& checkpoint() const { return *checkpoint_; }
  int count() const { return count_; }

 private:
  void expect(const std::string& name) {
    ++count_;
    INFO(name);
    const auto detail = error_of<qe::LoadError>([&] { qe::load_checkpoint(model_); });
    CHECK_FALSE(detail.file.empty());
    CHECK((detail.name + " " + detail.file).find(name) != std::string::npos);
  }

  fs::path model_;
  std::optional<qe::Checkpoint> checkpoint_;
  TensorMap tensors_;
  std::map<std::string, std::string> texts_;
  bool restore_weights_ = false;
  int count_ = 0;
};

qe::Tensor floats(qe::Shape shape, float value) {
  const auto size = static_cast<std::size_t>(qe::element_count(shape));
  return qe::make_tensor<float>(std::move(shape), std::vector<float>(size, value));
}

void mutate_weight(Mutator& m, const std::string& module) {
  const std::string weight = module + ".weight";
  const std::string scale = module + ".weight_scale";
  constexpr float kInf = std::numeric_limits<float>::infinity();
  m.tensors(module, [&](TensorMap& t) { t.erase(weight); });
  m.tensors(module, [&](TensorMap& t) { t.erase(scale); });
  m.tensors(module, [&](TensorMap& t) { t[weight].dtype = qe::DType::kU8; });
  m.tensors(module, [&](TensorMap& t) { t[weight] = floats(t[weight].shape, 1.0F); });
  m.tensors(module, [&](TensorMap& t) { t[weight].shape = {t[weight].size()}; });
  m.tensors(module, [&](TensorMap& t) { t[scale] = floats({1, 1}, 1.0F); });
  m.tensors(module, [&](TensorMap& t) { t[scale] = floats({1, t[scale].shape[0]}, 1.0F); });
  m.tensors(module, [&](TensorMap& t) { t[scale] = floats({t[scale].shape[0] + 1, 1}, 1.0F); });
  m.tensors(module, [&](TensorMap& t) { t[scale] = floats({0, 1}, 1.0F); });
  m.tensors(module, [&](TensorMap& t) { t[scale].dtype = qe::DType::kU32; });
  for (const float bad : {-1.0F, kInf, -kInf, std::nanf("")}) {
    m.tensors(module, [&](TensorMap& t) { t[scale] = floats(t[scale].shape, bad); });
  }
  m.tensors(module, [&](TensorMap& t) {
    t[module + ".weight_zero_point"] = qe::make_tensor<std::int8_t>({1}, {1});
  });
  m.tensors(module, [&](TensorMap& t) { t[module + ".output_scale"] = floats({1}, 1.0F); });
}

void mutate_input(Mutator& m, const std::string& module, bool dynamic) {
  const std::string scale = module + ".input_scale";
  const std::string zero = module + ".input_zero_point";
  if (dynamic) {
    m.tensors(module, [&](TensorMap& t) { t[scale] = floats({1}, 1.0F); });
    m.tensors(module, [&](TensorMap& t) { t[zero] = qe::make_tensor<std::int8_t>({1}, {0}); });
    return;
  }
  m.tensors(module, [&](TensorMap& t) { t.erase(scale); });
  m.tensors(module, [&](TensorMap& t) { t[scale] = floats({2}, 1.0F); });
  m.tensors(module, [&](TensorMap& t) { t[scale] = floats({0}, 1.0F); });
  for (const float bad : {0.0F, -1.0F, std::nanf(""), 1e-40F}) {
    m.tensors(module, [&](TensorMap& t) { t[scale] = floats({1}, bad); });
  }
  m.tensors(module, [&](TensorMap& t) { t[zero].dtype = qe::DType::kU8; });
  m.tensors(module, [&](TensorMap& t) { t[zero] = qe::make_tensor<std::int8_t>({2}, {0, 0}); });
  m.tensors(module, [&](TensorMap& t) { t[zero] = qe::make_tensor<std::int32_t>({1}, {0}); });
}

TEST_CASE("every mutation of the tensors is an error that names the module") {
  Mutator m;
  for (const auto& [name, stored] : m.checkpoint().tensors) {
    if (!stored.quant) continue;
    const std::string module = name.substr(0, name.size() - std::string(".weight").size());
    mutate_weight(m, module);
    const auto activation = m.checkpoint().activations.find(module);
    if (activation != m.checkpoint().activations.end()) {
      mutate_input(m, module, activation->second.input->dynamic);
    }
  }
  for (const char* alien : {"x.weight_packed", "x.weight_shape", "x.weight_g_idx", "x.input_scale",
                            "x.weight_scale", "x.weight_global_scale", "x.input_global_scale",
                            "x.output_zero_point", "x.weight_zero_point", "x.input_zero_point"}) {
    m.tensors("x.", [&](TensorMap& t) { t[alien] = floats({1}, 1.0F); });
  }
  CHECK(m.count() >= 200);
  MESSAGE(m.count() << " mutations of tensors");
}

TEST_CASE("every mutation of quantization_config is an error that names the key") {
  Mutator m;
  const auto edit = [&](const std::string& name, const std::function<void(ordered_json&)>& change) {
    m.json("config.json", name, [&](ordered_json& j) { change(j["quantization_config"]); });
  };
  const auto set = [&](const std::string& key, const ordered_json& value) {
    edit(key, [&](ordered_json& q) { q[key] = value; });
  };
  const ordered_json array = ordered_json::array();
  m.json("config.json", "quantization_config",
         [](ordered_json& j) { j["quantization_config"] = 1; });
  m.json("config.json", "weight", [](ordered_json& j) { j.erase("quantization_config"); });
  for (const ordered_json& bad : {ordered_json("gptq"), ordered_json(""), ordered_json(1)}) {
    set("quant_method", bad);
    set("format", bad);
    set("quantization_status", bad);
    set("kv_cache_scheme", bad);
    set("transform_config", bad);
    set("sparsity_config", bad);
    set("moe_sparsity_config", bad);
    set("ignore", bad);
    set("config_groups", bad);
    set("unknown_key", bad);
  }
  edit("bert.pooler.dense", [](ordered_json& q) { q["ignore"].push_back("bert.pooler.dense"); });
  set("ignore", {1});
  edit("bert.", [](ordered_json& q) { q["config_groups"] = ordered_json::object(); });
  for (const char* key : {"quant_method", "format", "config_groups"}) {
    edit(key, [&](ordered_json& q) { q.erase(key); });
  }
  edit("config_groups", [](ordered_json& q) {
    for (int i = 0; i < 65; ++i)
      q["config_groups"][std::string("g").append(std::to_string(i))] =
          q["config_groups"]["group_0"];
  });
  for (const char* group : {"group_0", "group_1", "group_2"}) {
    const auto in_group = [&](const std::string& name,
                              const std::function<void(ordered_json&)>& f) {
      edit(name, [&](ordered_json& q) { f(q["config_groups"][group]); });
    };
    in_group("", [](ordered_json& g) { g = 1; });
    in_group("bert.", [](ordered_json& g) { g["targets"] = ordered_json::array(); });
    in_group("targets", [](ordered_json& g) { g["targets"] = {"re:.*"}; });
    in_group("targets", [](ordered_json& g) { g["targets"] = "Linear"; });
    in_group("targets", [](ordered_json& g) { g.erase("targets"); });
    in_group("weights", [](ordered_json& g) { g["weights"] = nullptr; });
    in_group("format", [](ordered_json& g) { g["format"] = "pack-quantized"; });
    in_group("output_activations", [](ordered_json& g) { g["output_activations"] = g["weights"]; });
    in_group("unknown_key", [](ordered_json& g) { g["unknown_key"] = 1; });
    in_group("input_activations", [](ordered_json& g) { g["input_activations"] = 8; });
    const std::vector<std::pair<std::string, ordered_json>> arguments = {
        {"num_bits", 4},       {"num_bits", "8"},
        {"type", "float"},     {"symmetric", false},
        {"group_size", 128},   {"strategy", "group"},
        {"strategy", "block"}, {"strategy", "token"},
        {"dynamic", true},     {"block_structure", array},
        {"actorder", "group"}, {"unknown_key", 1},
        {"strategy", nullptr}, {"dynamic", "local"}};
    for (const auto& [key, value] : arguments) {
      in_group(key, [&key = key, &value = value](ordered_json& g) { g["weights"][key] = value; });
    }
    const std::vector<std::pair<std::string, ordered_json>> inputs = {
        {"num_bits", 4},         {"type", "float"},    {"group_size", 128},   {"strategy", "group"},
        {"strategy", "channel"}, {"dynamic", "local"}, {"actorder", "group"}, {"unknown_key", 1}};
    for (const auto& [key, value] : inputs) {
      in_group(key, [&key = key, &value = value](ordered_json& g) {
        if (g["input_activations"].is_null()) {
          g["input_activations"] = {{"num_bits", 8},
                                    {"type", "int"},
                                    {"symmetric", true},
                                    {"strategy", "token"},
                                    {"dynamic", true}};
        }
        g["input_activations"][key] = value;
      });
    }
  }
  CHECK(m.count() >= 100);
  MESSAGE(m.count() << " mutations of the configuration");
}

TEST_CASE("every mutation of the private companion is an error") {
  Mutator m(qe::test::Activations::kStatic);
  const std::string file = "qe_config.json";
  for (const ordered_json& bad : {ordered_json(0), ordered_json(2), ordered_json("1"),
                                  ordered_json(nullptr), ordered_json(1.0)}) {
    m.json(file, "format_version", [&](ordered_json& j) { j["format_version"] = bad; });
  }
  m.json(file, "output_activations", [](ordered_json& j) { j["output_activations"] = 1; });
  m.json(file, "x.y", [](ordered_json& j) { j["output_activations"]["x.y"] = {{"scale", 1}}; });
  std::string with_output;
  for (const auto& [module, activation] : m.checkpoint().activations) {
    if (activation.output) with_output = module;
  }
  REQUIRE_FALSE(with_output.empty());
  for (const ordered_json& bad : {ordered_json(0), ordered_json(-1), ordered_json(1e31),
                                  ordered_json("1"), ordered_json(nullptr)}) {
    m.json(file, with_output,
           [&](ordered_json& j) { j["output_activations"][with_output]["scale"] = bad; });
  }
  for (const ordered_json& bad :
       {ordered_json(-1), ordered_json(256), ordered_json(0.5), ordered_json(nullptr)}) {
    m.json(file, with_output,
           [&](ordered_json& j) { j["output_activations"][with_output]["zero_point"] = bad; });
  }
  m.json(file, with_output, [&](ordered_json& j) { j["output_activations"][with_output] = 1; });
}

TEST_CASE("what other writers put there is accepted") {
  qe::test::TempDir dir;
  qe::write_synthetic("bert-tiny", dir / "float");
  const auto x = qe::test::quantize_plainly(qe::load_checkpoint(dir / "float"),
                                            qe::test::Activations::kStatic);
  qe::write_quantized(x, dir / "float", dir / "q");
  auto json = ordered_json::parse(read_file(dir / "q/config.json"));
  auto& quantization = json["quantization_config"];
  quantization["version"] = "0.20.0";
  quantization["sparsity_config"] = ordered_json::object();
  quantization["transform_config"] = ordered_json::object();
  quantization["global_compression_ratio"] = 1.5;
  for (auto& [name, group] : quantization["config_groups"].items()) {
    group.erase("format");
    group["weights"]["observer"] = "minmax";
    group["weights"]["observer_kwargs"] = ordered_json::object();
    group["weights"]["actorder"] = nullptr;
  }
  write_file(dir / "q/config.json", json.dump());
  fs::remove(dir / "q/qe_config.json");
  auto tensors = qe::read_safetensors(dir / "q/model.safetensors", false).tensors;
  tensors["bert.pooler.dense.weight_zero_point"] =
      qe::make_tensor<std::int8_t>({64, 1}, std::vector<std::int8_t>(64, 0));
  tensors.erase("bert.pooler.dense.input_zero_point");
  auto& scale = tensors["bert.pooler.dense.weight_scale"];
  scale.shape = {64};
  qe::write_safetensors(dir / "q/model.safetensors", tensors);
  const auto y = qe::load_checkpoint(dir / "q");
  CHECK(y.activations.at("bert.pooler.dense").input->zero_point == std::vector<std::int32_t>{128});
  CHECK_FALSE(y.activations.at("bert.pooler.dense").output.has_value());
  CHECK(qe::test::same(y.tensors.at("bert.pooler.dense.weight").quant,
                       x.tensors.at("bert.pooler.dense.weight").quant));
}

}  // namespace
