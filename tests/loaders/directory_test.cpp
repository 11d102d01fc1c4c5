// Loading of model directories: single file, shards, tokenizer texts, and every way in which a
// directory can be incomplete, contradictory or dangerous.
#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "loaders/safetensors.h"
#include "tests/loaders/models.h"

namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;
using qe::test::error_of;
using qe::test::read_file;
using qe::test::TempDir;
using qe::test::write_file;

// Splits the single file of a directory into two shards with an index.
void split(const fs::path& directory) {
  const auto all = qe::read_safetensors(directory / "model.safetensors").tensors;
  std::array<qe::TensorMap, 2> shards;
  ordered_json map;
  std::size_t i = 0;
  for (const auto& [name, tensor] : all) {
    const std::size_t shard = i++ * 2 / all.size();
    shards[shard][name] = tensor;
    map[name] = shard == 0 ? "a.safetensors" : "b.safetensors";
  }
  qe::write_safetensors(directory / "a.safetensors", shards[0]);
  qe::write_safetensors(directory / "b.safetensors", shards[1]);
  fs::remove(directory / "model.safetensors");
  write_file(directory / "model.safetensors.index.json",
             ordered_json{{"metadata", {{"total_size", 1}}}, {"weight_map", map}}.dump());
}

struct Directory : TempDir {
  Directory() : model(path() / "model") { qe::write_synthetic("bert-tiny", model); }
  fs::path model;

  qe::ErrorDetail load_error() const {
    return error_of<qe::LoadError>([&] { qe::load_checkpoint(model); });
  }
  void edit_index(const std::function<void(ordered_json&)>& edit) const {
    const fs::path file = model / "model.safetensors.index.json";
    auto json = ordered_json::parse(read_file(file));
    edit(json["weight_map"]);
    write_file(file, json.dump());
  }
};

TEST_CASE("one file and shards give the same tensors, mapped or read") {
  Directory d;
  const auto single = qe::load_checkpoint(d.model, {.use_mmap = false});
  CHECK_FALSE(single.quantized());
  CHECK(single.source == d.model.string());
  CHECK(single.config.string("model_type") == "bert");
  split(d.model);
  for (const bool use_mmap : {true, false}) {
    const auto sharded = qe::load_checkpoint(d.model, {.use_mmap = use_mmap});
    REQUIRE(sharded.tensors.size() == single.tensors.size());
    for (const auto& [name, stored] : single.tensors) {
      CHECK(qe::test::same(stored.tensor, sharded.tensors.at(name).tensor));
      CHECK_FALSE(stored.quant.has_value());
      CHECK(sharded.tensors.at(name).file.ends_with(".safetensors"));
    }
  }
}

TEST_CASE("the trained models load as they are") {
  if (const auto path = qe::test::shared_data("models/minilm-emotion")) {
    const auto checkpoint = qe::load_checkpoint(*path);
    CHECK(checkpoint.tensors.size() == 105);
    CHECK(checkpoint.tensors.at("bert.pooler.dense.weight").tensor.dtype == qe::DType::kF16);
    const auto texts = qe::read_directory_texts(*path);
    CHECK(texts.vocab.has_value());
    CHECK(texts.tokenizer.has_value());
  }
  if (const auto path = qe::test::shared_data("models/tiny-emotion")) {
    CHECK(qe::load_checkpoint(*path).tensors.size() == 73);
    CHECK_FALSE(qe::read_directory_texts(*path).tokenizer.has_value());
  }
}

TEST_CASE("texts of the tokenizer are read as they are") {
  Directory d;
  write_file(d.model / "tokenizer.json", std::string("{\0\xff", 3));
  const auto texts = qe::read_directory_texts(d.model);
  CHECK(texts.tokenizer->text == std::string("{\0\xff", 3));
  CHECK(texts.tokenizer->file == (d.model / "tokenizer.json").string());
  CHECK(texts.vocab->text.starts_with("[PAD]\n"));
  CHECK(texts.tokenizer_config.has_value());
  fs::remove(d.model / "vocab.txt");
  CHECK_FALSE(qe::read_directory_texts(d.model).vocab.has_value());
  fs::resize_file(d.model / "tokenizer.json", (std::uintmax_t{64} << 20) + 1);
  CHECK(error_of<qe::LoadError>([&] { qe::read_directory_texts(d.model); }).problem ==
        "file is too large");
}

TEST_CASE("missing and odd files") {
  Directory d;
  CHECK(error_of<qe::LoadError>([&] { qe::load_checkpoint(d / "none"); }).problem ==
        "no such model directory");
  CHECK(error_of<qe::LoadError>([&] { qe::read_directory_texts(d / "none"); }).problem ==
        "no such model directory");
  CHECK(error_of<qe::LoadError>([&] { qe::load_checkpoint(d.model / "vocab.txt"); }).problem ==
        "not a directory");
  const std::string config = read_file(d.model / "config.json");
  fs::remove(d.model / "config.json");
  CHECK(d.load_error().name == "config.json");
  fs::create_directory(d.model / "config.json");
  CHECK(d.load_error().problem == "not a regular file");
  fs::remove(d.model / "config.json");
  for (const char* text : {"", "[]", "{", "null", "{\"a\":1,\"a\":2}"}) {
    write_file(d.model / "config.json", text);
    CHECK(d.load_error().file.ends_with("config.json"));
  }
  fs::resize_file(d.model / "config.json", (std::uintmax_t{16} << 20) + 1);
  CHECK(d.load_error().problem == "file is too large");
  write_file(d.model / "config.json", config);
  fs::remove(d.model / "model.safetensors");
  CHECK(d.load_error().problem == "no weights");
  for (const char* pickle : {"pytorch_model.bin.index.json", "pytorch_model.bin"}) {
    write_file(d.model / pickle, "x");
    CHECK(error_of<qe::UnsupportedError>([&] { qe::load_checkpoint(d.model); }).name == pickle);
  }
  fs::create_directory(d.model / "model.safetensors");
  CHECK(d.load_error().problem == "not a regular file");
}

TEST_CASE("a hostile index cannot reach outside, nor contradict the shards") {
  Directory d;
  split(d.model);
  const std::string word = "bert.embeddings.word_embeddings.weight";
  fs::copy(d.model / "a.safetensors", d / "outside.safetensors");
  const std::string good = read_file(d.model / "model.safetensors.index.json");
  const auto refused = [&](const std::function<void(ordered_json&)>& edit) {
    d.edit_index(edit);
    const auto detail = d.load_error();
    write_file(d.model / "model.safetensors.index.json", good);
    return detail;
  };
  for (const std::string name : {"../outside.safetensors", "/etc/passwd", "sub/a.safetensors", ".",
                                 "..", "", "./a.safetensors", "a.safetensors/"}) {
    INFO(name);
    CHECK(refused([&](ordered_json& map) { map[word] = name; }).problem == "not a plain file name");
  }
  const std::string nul("a.safetensors\0x", 15);
  CHECK(refused([&](ordered_json& m) { m[word] = nul; }).problem == "not a plain file name");
  CHECK(refused([&](ordered_json& m) { m[word] = "c.safetensors"; }).name == "c.safetensors");
  CHECK(refused([&](ordered_json& m) { m[word] = "vocab.txt"; }).name == word);
  CHECK(refused([&](ordered_json& m) { m[word] = "model"; }).problem == "file is missing");
  CHECK(refused([&](ordered_json& m) { m[word] = 1; }).name == "weight_map." + word);
  CHECK(refused([&](ordered_json& m) { m[word] = nullptr; }).name == "weight_map." + word);
  CHECK(refused([&](ordered_json& m) { m[word] = ordered_json::array(); }).actual == "[]");
  CHECK(refused([&](ordered_json& m) { m = ordered_json::object(); }).problem ==
        "index names no tensor");
  CHECK(refused([&](ordered_json& m) { m = 1; }).name == "weight_map");
  CHECK(refused([&](ordered_json& m) { m.erase(word); }).name == word);
  CHECK(refused([&](ordered_json& m) { m["extra"] = "a.safetensors"; }).name == "extra");
  const auto swapped = [&](ordered_json& m) { m["classifier.weight"] = "a.safetensors"; };
  d.edit_index([&](ordered_json& m) {
    CHECK((m["classifier.weight"] == "b.safetensors" || m["classifier.weight"] == "a.safetensors"));
  });
  d.edit_index(swapped);
  d.edit_index([&](ordered_json& m) {
    m[word] = m[word] == "a.safetensors" ? "b.safetensors" : "a.safetensors";
  });
  CHECK(d.load_error().problem.find("shard") != std::string::npos);
  for (const char* text : {"", "[]", "{}", "{\"weight_map\":{\"w\":\"a\",\"w\":\"b\"}}"}) {
    write_file(d.model / "model.safetensors.index.json", text);
    CHECK(d.load_error().file.ends_with("index.json"));
  }
  write_file(d.model / "model.safetensors.index.json", good);
  fs::copy_file(d.model / "a.safetensors", d.model / "b.safetensors",
                fs::copy_options::overwrite_existing);
  CHECK(d.load_error().problem.find("shard") != std::string::npos);
  fs::remove(d.model / "b.safetensors");
  CHECK(d.load_error().name == "b.safetensors");
}

TEST_CASE("links may stay in the directory or lead to the blobs beside a cache snapshot") {
  Directory d;
  fs::rename(d.model / "model.safetensors", d.model / "real");
  fs::create_symlink("real", d.model / "model.safetensors");
  CHECK_NOTHROW(qe::load_checkpoint(d.model));
  fs::rename(d.model / "real", d / "outside");
  CHECK(d.load_error().problem == "symbolic link to nothing");
  fs::remove(d.model / "model.safetensors");
  fs::create_symlink("../outside", d.model / "model.safetensors");
  CHECK(d.load_error().problem == "symbolic link leads out of the model directory");
  fs::create_directories(d / "models--x/blobs");
  fs::create_directories(d / "models--x/snapshots");
  fs::rename(d / "outside", d / "models--x/blobs/0123");
  fs::remove(d.model / "model.safetensors");
  fs::rename(d.model, d / "models--x/snapshots/main");
  fs::create_symlink("../../blobs/0123", d / "models--x/snapshots/main/model.safetensors");
  CHECK_NOTHROW(qe::load_checkpoint(d / "models--x/snapshots/main"));
  fs::create_directory_symlink(d / "models--x/snapshots/main", d / "link");
  CHECK_NOTHROW(qe::load_checkpoint(d / "link"));
}

}  // namespace
