// Broken model directories, seen from the command line: exit code 3 and a message that names what
// is wrong. The loaders' own tests go deeper; these prove that the tools pass it on.
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/shell.h"

namespace qe::tools {
namespace {

namespace fs = std::filesystem;
using Config = nlohmann::ordered_json;

void refused(const fs::path& model, const std::string& message) {
  for (const std::string& command :
       {"qe-run '" + model.string() + "' --text x", "qe-inspect '" + model.string() + "'",
        "qe-eval '" + model.string() + "' --data " + kSentences}) {
    const Outcome outcome = shell(command);
    CHECK_MESSAGE(outcome.code == 3, command << ": " << outcome.err);
    CHECK_MESSAGE(outcome.err.find(message) != std::string::npos, outcome.err);
  }
  const fs::path output = scratch("bad-model-output") / "model";
  const Outcome outcome = shell("qe-quantize '" + model.string() + "' '" + output.string() + "'");
  CHECK_MESSAGE(outcome.code == 3, outcome.err);
  CHECK_FALSE(fs::exists(output));
}

// Where the data of a tensor begins and ends in a safetensors file.
std::pair<std::size_t, std::size_t> data_range(const std::string& file, const std::string& tensor) {
  std::uint64_t header = 0;
  std::memcpy(&header, file.data(), sizeof(header));
  const auto offsets = nlohmann::json::parse(file.substr(8, header))[tensor]["data_offsets"];
  return {8 + header + offsets[0].get<std::size_t>(), 8 + header + offsets[1].get<std::size_t>()};
}

TEST_CASE("configurations that cannot be run") {
  const auto refused_config = [](const std::string& message,
                                 const std::function<void(Config&)>& edit) {
    const fs::path model = copy_of_model("bad-config");
    edit_config(model, edit);
    refused(model, message);
  };
  refused_config("BertForSequenceClassification",
                 [](Config& c) { c["architectures"] = {"GPT2LMHeadModel"}; });
  refused_config("hidden_act", [](Config& c) { c["hidden_act"] = "silu"; });
  refused_config("position_embedding_type",
                 [](Config& c) { c["position_embedding_type"] = "relative_key"; });
  refused_config("is_decoder", [](Config& c) { c["is_decoder"] = true; });
  refused_config("num_attention_heads", [](Config& c) { c["num_attention_heads"] = 5; });
  refused_config("hidden_size", [](Config& c) { c["hidden_size"] = "wide"; });
  refused_config("intermediate", [](Config& c) { c["intermediate_size"] = 500; });
  refused_config("classifier", [](Config& c) {
    c["id2label"].erase("5");
    c["label2id"].erase("surprise");
  });
  refused_config("layer.4", [](Config& c) { c["num_hidden_layers"] = 5; });
  refused_config("layer.3", [](Config& c) { c["num_hidden_layers"] = 3; });
}

TEST_CASE("weights that cannot be meant") {
  const fs::path model = copy_of_model("bad-weights");
  const fs::path file = model / "model.safetensors";
  const std::string good = read_file(file);
  write_file(file, good.substr(0, good.size() - 1));
  refused(model, "model.safetensors");
  write_file(file, good.substr(0, 100));
  refused(model, "model.safetensors");
  write_file(file, "");
  refused(model, "model.safetensors");

  const std::string tensor = "bert.encoder.layer.2.intermediate.dense.weight";
  std::string spoiled = good;
  spoiled[data_range(good, tensor).first + 1] = 0x7E;  // the high byte of an F16 NaN
  write_file(file, spoiled);
  refused(model, tensor);
}

TEST_CASE("files that are not there or contradict each other") {
  fs::path model = copy_of_model("bad-files");
  fs::remove(model / "model.safetensors");
  CHECK(shell("qe-run '" + model.string() + "' --text x").code == 3);
  model = copy_of_model("bad-files");
  fs::remove(model / "config.json");
  CHECK(shell("qe-run '" + model.string() + "' --text x").code == 3);
  model = copy_of_model("bad-files");
  fs::remove(model / "vocab.txt");
  CHECK(shell("qe-run '" + model.string() + "' --text x").code == 3);
  model = copy_of_model("bad-files");
  const std::string vocab = read_file(model / "vocab.txt");
  write_file(model / "vocab.txt", vocab + "onemoreword\n");
  const Outcome longer = shell("qe-run '" + model.string() + "' --text x");
  CHECK(longer.code == 3);
  CHECK(longer.err.find("vocab") != std::string::npos);
  const Outcome absent = shell("qe-run /nonexistent --text x");
  CHECK((absent.code == 3 || absent.code == 5));
  CHECK(absent.err.find("/nonexistent") != std::string::npos);
}

}  // namespace
}  // namespace qe::tools
