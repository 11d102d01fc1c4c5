// Quantized directories: what is written is read back bit for bit, equal inputs give equal bytes,
// and what cannot be expressed or must not be replaced is refused.
#include <functional>
#include <set>

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include <qe/save.h>

#include "tests/loaders/models.h"

namespace {

namespace fs = std::filesystem;
using qe::test::Activations;
using qe::test::error_of;
using qe::test::quantize_plainly;
using qe::test::TempDir;

struct Source : TempDir {
  Source() : model(path() / "model"), out(path() / "out") {
    qe::write_synthetic("bert-tiny:5", model);
    quantized = quantize_plainly(qe::load_checkpoint(model), Activations::kMixed);
  }
  void write(const qe::WriteOptions& options = {}) const {
    qe::write_quantized(quantized, model, out, options);
  }
  fs::path model, out;
  qe::Checkpoint quantized{
      .config = qe::Config::parse("{}", ""), .source = {}, .tensors = {}, .activations = {}};
};

TEST_CASE("a quantized directory comes back bit for bit") {
  TempDir dir;
  for (const char* spec : {"bert-tiny", "distilbert-tiny"}) {
    qe::write_synthetic(spec, dir / spec);
    for (const auto kind : {Activations::kDynamic, Activations::kStatic, Activations::kMixed}) {
      const auto x = quantize_plainly(qe::load_checkpoint(dir / spec), kind);
      qe::write_quantized(x, dir / spec, dir / "q", {.force = true});
      const auto y = qe::load_checkpoint(dir / "q");
      CHECK(y.quantized());
      REQUIRE(y.tensors.size() == x.tensors.size());
      for (const auto& entry : x.tensors) {
        const auto& [name, stored] = entry;
        INFO(entry.first);
        CHECK(qe::test::same(stored.tensor, y.tensors.at(name).tensor));
        CHECK(qe::test::same(stored.quant, y.tensors.at(name).quant));
      }
      REQUIRE(y.activations.size() == x.activations.size());
      for (const auto& entry : x.activations) {
        const auto& [module, activation] = entry;
        INFO(entry.first);
        CHECK(qe::test::same(activation.input, y.activations.at(module).input));
        CHECK(qe::test::same(activation.output, y.activations.at(module).output));
      }
    }
  }
}

TEST_CASE("one scale for a whole tensor, half floats and integers are kept or widened") {
  Source s;
  auto& weight = s.quantized.tensors.at("bert.pooler.dense.weight");
  weight.quant->granularity = qe::Granularity::kTensor;
  weight.quant->scale = {0.25F};
  auto& norm = s.quantized.tensors.at("bert.embeddings.LayerNorm.weight");
  norm.tensor = qe::test::random_tensor(qe::DType::kBF16, {64}, 1);
  s.quantized.tensors["bert.embeddings.position_ids"] = {
      .tensor = qe::make_tensor<std::int64_t>({1, 3}, {0, 1, 2}), .quant = {}, .file = {}};
  s.write();
  const auto read = qe::load_checkpoint(s.out);
  CHECK(qe::test::same(read.tensors.at("bert.pooler.dense.weight").quant, weight.quant));
  const auto& widened = read.tensors.at("bert.embeddings.LayerNorm.weight").tensor;
  CHECK(widened.dtype == qe::DType::kF32);
  const auto expected = qe::to_float(norm.tensor, "norm");
  CHECK(std::memcmp(widened.bytes.data(), expected.data(), widened.bytes.size()) == 0);
  CHECK(read.tensors.at("bert.embeddings.position_ids").tensor.dtype == qe::DType::kI64);
}

TEST_CASE("equal inputs give equal bytes, and nothing but the inputs is recorded") {
  Source s;
  s.write({.recipe = R"({"weights": "mse", "sqnr_db": 41.25})"});
  const auto first = qe::test::read_tree(s.out);
  fs::remove_all(s.out);
  s.write({.recipe = R"({"weights": "mse", "sqnr_db": 41.25})"});
  CHECK(qe::test::read_tree(s.out) == first);
  const auto json = nlohmann::ordered_json::parse(qe::test::read_file(s.out / "qe_config.json"));
  CHECK(json["format_version"] == 1);
  CHECK(json["recipe"]["sqnr_db"] == 41.25);
  CHECK(json["inputs"].size() == 4);
  CHECK(json["inputs"]["config.json"].get<std::string>().starts_with("xxh64:"));
  for (const auto& entry : first) {
    INFO(entry.first);
    CHECK(entry.second.find(s.path().string()) == std::string::npos);
  }
  CHECK(qe::test::read_file(s.out / "vocab.txt") == qe::test::read_file(s.model / "vocab.txt"));
  CHECK((fs::status(s.out).permissions() & fs::perms::others_read) != fs::perms::none);
}

TEST_CASE("the configuration is carried over and completed") {
  Source s;
  auto source = nlohmann::ordered_json::parse(qe::test::read_file(s.model / "config.json"));
  source["dtype"] = "float16";
  source["exotic"] = {1, 2.50, nullptr};
  qe::test::write_file(s.model / "config.json", source.dump());
  s.write();
  const auto json = nlohmann::ordered_json::parse(qe::test::read_file(s.out / "config.json"));
  CHECK(json["dtype"] == "float32");
  CHECK(json["torch_dtype"] == "float32");
  CHECK(json["exotic"] == source["exotic"]);
  CHECK(json["id2label"] == source["id2label"]);
  const auto& quantization = json["quantization_config"];
  CHECK(quantization["quant_method"] == "compressed-tensors");
  CHECK(quantization["quantization_status"] == "compressed");
  CHECK(quantization["format"] == "int-quantized");
  CHECK(quantization["ignore"] == nlohmann::ordered_json::array({"classifier"}));
  std::set<std::string> targets;
  for (const auto& [name, group] : quantization["config_groups"].items()) {
    CHECK(group["format"] == "int-quantized");
    CHECK(group["weights"]["strategy"] == "channel");
    for (const auto& target : group["targets"]) targets.insert(target.get<std::string>());
  }
  CHECK(targets.contains("Linear"));
  CHECK(targets.contains("Embedding"));
}

TEST_CASE("an existing output is refused, or swapped as a whole") {
  Source s;
  s.write();
  const auto before = qe::test::read_tree(s.out);
  CHECK(error_of<qe::UsageError>([&] { s.write(); }).problem == "output directory exists");
  CHECK(qe::test::read_tree(s.out) == before);
  qe::test::write_file(s.out / "stale", "x");
  s.write({.force = true, .recipe = "{\"second\": true}"});
  CHECK_FALSE(fs::exists(s.out / "stale"));
  CHECK(qe::test::read_tree(s.out) != before);
  // A model can be rewritten from tensors that are views of the directory being replaced.
  const auto mapped = qe::load_checkpoint(s.out);
  qe::write_quantized(mapped, s.model, s.out, {.force = true});
  CHECK(qe::test::read_tree(s.out) == before);
  // Through a link, its target is replaced.
  fs::create_directory_symlink(s.out, s / "link");
  qe::write_quantized(mapped, s.model, s / "link/", {.force = true});
  CHECK(fs::is_symlink(s / "link"));
  CHECK(qe::test::read_tree(s.out) == before);
}

TEST_CASE("only model directories are ever replaced") {
  Source s;
  const auto refused = [&](const fs::path& output) {
    return error_of<qe::UsageError>(
        [&] { qe::write_quantized(s.quantized, s.model, output, {.force = true}); });
  };
  fs::create_directory(s / "photos");
  qe::test::write_file(s / "photos/1.jpg", "x");
  CHECK(refused(s / "photos").problem.find("not a model directory") != std::string::npos);
  CHECK(refused(s / "photos/1.jpg").problem.find("not a model directory") != std::string::npos);
  CHECK(refused(s.model).problem == "output would replace the model it is made from");
  CHECK(refused(s.path()).problem == "output would replace the model it is made from");
  CHECK(fs::exists(s / "photos/1.jpg"));
  fs::create_directory(s / "empty");
  CHECK_NOTHROW(qe::write_quantized(s.quantized, s.model, s / "empty", {.force = true}));
  CHECK_NOTHROW(qe::write_quantized(s.quantized, s.model, s / "made/on/the/way", {}));
  CHECK(fs::exists(s / "made/on/the/way/config.json"));
  CHECK(error_of<qe::IoError>([&] {
          qe::write_quantized(s.quantized, s.model, s / "photos/1.jpg/out", {});
        }).file.ends_with("photos/1.jpg"));
}

TEST_CASE("leftovers of killed runs are removed, those of running ones are not") {
  Source s;
  const fs::path leftover = s / ".out.partial-abc123";
  const fs::path foreign = s / ".out.partial-abc1234";
  fs::create_directory(leftover);
  fs::create_directory(foreign);
  qe::test::write_file(leftover / "model.safetensors", "half");
  s.write();
  CHECK_FALSE(fs::exists(leftover));
  CHECK(fs::exists(foreign));
}

TEST_CASE("what the format cannot express is refused by name") {
  const auto refused = [](const std::function<void(qe::Checkpoint&)>& edit) {
    Source s;
    edit(s.quantized);
    const auto detail = error_of<qe::UsageError>([&] { s.write(); });
    CHECK_FALSE(fs::exists(s.out));
    return detail.name;
  };
  const std::string module = "bert.pooler.dense";
  const std::string weight = module + ".weight";
  const auto quant = [&](qe::Checkpoint& c) -> qe::QuantParams& {
    return *c.tensors.at(weight).quant;
  };
  const auto input = [&](qe::Checkpoint& c) -> qe::QuantParams& {
    return *c.activations.at(module).input;
  };
  CHECK(refused([&](auto& c) { quant(c).zero_point.assign(64, 3); }) == weight);
  CHECK(refused([&](auto& c) { quant(c).scale.pop_back(); }) == weight);
  CHECK(refused([&](auto& c) { quant(c).granularity = qe::Granularity::kToken; }) == weight);
  CHECK(refused([&](auto& c) { quant(c).storage = qe::DType::kU8; }) == weight);
  CHECK(refused([&](auto& c) { quant(c).dynamic = true; }) == weight);
  CHECK(refused([&](auto& c) { c.tensors.at(weight).tensor.dtype = qe::DType::kU8; }) == weight);
  CHECK(refused([&](auto& c) { c.tensors.at(weight).tensor.shape = {64 * 64}; }) == weight);
  CHECK(refused([&](auto& c) { c.tensors.at(weight).quant.reset(); }) == module);
  CHECK(refused([&](auto& c) { c.tensors.erase(weight); }) == module);
  CHECK(refused([&](auto& c) { c.activations.at(module).input.reset(); }) == module);
  CHECK(refused([&](auto& c) { input(c) = {.scale = {1.0F}, .zero_point = {0}}; }) == module);
  CHECK(refused([&](auto& c) {
          input(c) = {.storage = qe::DType::kU8, .scale = {1.0F}, .zero_point = {256}};
        }) == module);
  CHECK(refused([&](auto& c) {
          input(c) = {.storage = qe::DType::kU8, .scale = {1.0F, 1.0F}, .zero_point = {0}};
        }) == module);
  CHECK(refused([&](auto& c) { c.activations.at(module).output = qe::QuantParams{}; }) == module);
}

TEST_CASE("unusable sources and recipes are refused") {
  Source s;
  auto plain = qe::load_checkpoint(s.model);
  CHECK(error_of<qe::UsageError>([&] { qe::write_quantized(plain, s.model, s.out); }).problem ==
        "model to write is not quantized");
  for (const char* recipe : {"[]", "1", "null"}) {
    CHECK(error_of<qe::UsageError>([&] { s.write({.recipe = recipe}); }).problem ==
          "recipe is not a JSON object");
  }
  error_of<qe::LoadError>([&] { s.write({.recipe = "{"}); });
  CHECK_FALSE(fs::exists(s.out));
  s.write();
  CHECK(error_of<qe::LoadError>([&] {
          qe::write_quantized(s.quantized, s.out, s / "again");
        }).problem == "model is quantized already");
  error_of<qe::LoadError>([&] { qe::write_quantized(s.quantized, s / "none", s / "again"); });
  CHECK_FALSE(fs::exists(s / "again"));
}

}  // namespace
