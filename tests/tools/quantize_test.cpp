// qe-quantize from the outside: what it writes, and that it writes nothing when it must not.
#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/float_models.h"
#include "tests/tools/shell.h"

namespace qe::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kImplied = "data/demo-sentences/implied.tsv";

std::string quantize_command(const fs::path& model, const fs::path& output) {
  return "qe-quantize '" + model.string() + "' '" + output.string() + "' ";
}

TEST_CASE("the same bytes at any thread count") {
  const fs::path folder = scratch("quantize-same");
  for (const std::string& flags :
       {std::string(""), "--activations static --calibration " + kImplied,
        "--weight-ranges absmax --data " + kSentences}) {
    if (flags.find("static") != std::string::npos && test::skip_float("calibration")) continue;
    const fs::path one = folder / "one";
    const fs::path many = folder / "many";
    fs::remove_all(one);
    fs::remove_all(many);
    REQUIRE(shell(quantize_command(kModel, one) + flags + " --threads 1").code == 0);
    REQUIRE(shell(quantize_command(kModel, many) + flags + " --threads 3 --no-mmap").code == 0);
    const auto files = contents(one);
    CHECK(files == contents(many));
    CHECK(files.contains("model.safetensors"));
    CHECK(files.contains("vocab.txt"));
  }
}

TEST_CASE("the report and the recipe") {
  const fs::path output = scratch("quantize-report") / "model";
  const Outcome outcome =
      shell(quantize_command(kModel, output) + "--format json --data " + kSentences);
  REQUIRE(outcome.code == 0);
  const json result = json::parse(outcome.out);
  CHECK(result["tool"] == "qe-quantize");
  CHECK(result["weight_file_bytes_after"] < result["weight_file_bytes_before"]);
  CHECK(result["weight_file_bytes_after"] == fs::file_size(output / "model.safetensors"));
  const json& recipe = result["recipe"];
  CHECK(recipe["activations"] == "dynamic");
  CHECK(recipe["tensors"].size() > 20);
  for (const json& tensor : recipe["tensors"]) CHECK(tensor["sqnr_db"] > 25.0);
  CHECK(recipe["evaluation"]["rows"] == 186);
  CHECK(json::parse(read_file(output / "qe_config.json"))["recipe"] == recipe);
  const json evaluated = json::parse(
      shell("qe-eval '" + output.string() + "' --format json --data " + kSentences).out);
  CHECK(evaluated["models"][0]["accuracy"] == recipe["evaluation"]["accuracy"]);
}

TEST_CASE("an existing directory is kept unless --force says otherwise") {
  const fs::path folder = scratch("quantize-exists");
  const fs::path output = folder / "model";
  REQUIRE(shell(quantize_command(kModel, output)).code == 0);
  const auto before = contents(output);
  const Outcome refused = shell(quantize_command(kModel, output) + "--weight-ranges absmax");
  CHECK(refused.code == 2);
  CHECK(refused.err.find("--force") != std::string::npos);
  CHECK(contents(output) == before);
  CHECK(shell(quantize_command(kModel, output) + "--weight-ranges absmax --force").code == 0);
  CHECK(contents(output) != before);
  // A directory that is no model is never replaced.
  fs::create_directory(folder / "precious");
  write_file(folder / "precious" / "notes.txt", "mine");
  CHECK(shell(quantize_command(kModel, folder / "precious") + "--force").code == 2);
  CHECK(read_file(folder / "precious" / "notes.txt") == "mine");
}

TEST_CASE("a dry run writes nothing") {
  const fs::path output = scratch("quantize-dry") / "model";
  const Outcome outcome = shell(quantize_command(kModel, output) + "--dry-run");
  CHECK(outcome.code == 0);
  CHECK(outcome.out.find("dry run") != std::string::npos);
  CHECK_FALSE(fs::exists(output));
}

TEST_CASE("a full disk leaves everything as it was") {
  const fs::path output = scratch("quantize-full") / "model";
  REQUIRE(shell(quantize_command(kModel, output)).code == 0);
  const auto before = contents(output);
  // Files may not grow beyond 100 blocks of 512 bytes.
  const Outcome outcome = shell("trap '' XFSZ; ulimit -f 100; " + quantize_command(kModel, output) +
                                "--force --weight-ranges absmax");
  CHECK(outcome.code == 5);
  CHECK(contents(output) == before);
  CHECK(std::distance(fs::directory_iterator(output.parent_path()), fs::directory_iterator{}) == 1);
}

TEST_CASE("calibration belongs to static activations") {
  const fs::path output = scratch("quantize-usage") / "model";
  const std::string command = quantize_command(kModel, output);
  CHECK(shell(command + "--activations static").code == 2);
  CHECK(shell(command + "--calibration " + kImplied).code == 2);
  CHECK(shell(command + "--activations sometimes").code == 2);
  const std::string calibrate = command + "--activations static --calibration ";
  CHECK(shell(calibrate + "/nonexistent.tsv").code == 5);
  const fs::path data = scratch("quantize-data") / "bad.tsv";
  write_file(data, "words\nx\n");
  CHECK(shell(calibrate + "'" + data.string() + "'").code == 4);
  write_file(data, "text\n");
  CHECK(shell(calibrate + "'" + data.string() + "'").code == 4);
  write_file(data, "text\nfine\nb\xFF\n");
  const Outcome bad = shell(calibrate + "'" + data.string() + "'");
  CHECK(bad.code == 4);
  CHECK(bad.err.find("line 3") != std::string::npos);
  CHECK_FALSE(fs::exists(output));
  const int code = test::runs_float_models() ? 0 : 3;  // calibration runs the float model
  CHECK(shell(calibrate + kImplied + " --calibration-rows 16").code == code);
}

TEST_CASE("a quantized model is not quantized again") {
  const fs::path output = scratch("quantize-twice") / "model";
  const Outcome outcome = shell(quantize_command(quantized_model("dynamic"), output));
  CHECK(outcome.code == 3);
  CHECK(outcome.err.find("quantized already") != std::string::npos);
  CHECK_FALSE(fs::exists(output));
}

}  // namespace
}  // namespace qe::tools
