// qe-run from the outside.
#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/float_models.h"
#include "tests/tools/shell.h"

namespace qe::tools {
namespace {

using nlohmann::json;

std::vector<json> json_lines(const std::string& text) {
  std::vector<json> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(json::parse(line));
  return lines;
}

TEST_CASE("every tool explains itself") {
  for (const std::string tool : {"qe-run", "qe-eval", "qe-quantize", "qe-bench", "qe-inspect"}) {
    const Outcome help = shell(tool + " --help");
    CHECK(help.code == 0);
    CHECK(help.out.find("Examples:") != std::string::npos);
    CHECK(help.out.find("Exit codes:") != std::string::npos);
    CHECK(help.out.find(tool) != std::string::npos);
    CHECK(help.err.empty());
    const Outcome version = shell(tool + " --version");
    CHECK(version.code == 0);
    CHECK(version.out.starts_with(tool + " "));
    const Outcome unknown = shell(tool + " " + kModel + " --nonsense");
    CHECK(unknown.code == 2);
    CHECK(unknown.err.find("--help") != std::string::npos);
    CHECK(unknown.out.empty());
    CHECK(shell(tool).code == 2);
  }
}

TEST_CASE("texts by flag") {
  const Outcome outcome = shell("qe-run " + runnable() +
                                " --text 'i am so angry at them' --text 'i feel so sad and lost'");
  CHECK(outcome.code == 0);
  CHECK(outcome.err.empty());
  CHECK(outcome.out.starts_with("anger 0."));
  CHECK(outcome.out.find("\nsadness 0.") != std::string::npos);
  CHECK(outcome.out.find("surprise 0.") != std::string::npos);
}

TEST_CASE("float models run, or are refused in words by a build without float products") {
  const Outcome outcome = shell("qe-run " + kModel + " --text hello");
  if (test::runs_float_models()) {
    CHECK(outcome.code == 0);
  } else {
    CHECK(outcome.code == 3);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.find("this build runs integer models only") != std::string::npos);
  }
}

TEST_CASE("lines of standard input, in order, one bad line does not end them") {
  const Outcome outcome = shell("qe-run " + runnable() + " --format jsonl --batch 2",
                                "i am angry\nbad \xFF line\n\ni am sad\r\nlast without end");
  CHECK(outcome.code == 4);
  CHECK(outcome.err == "qe-run: standard input: line 2: is not UTF-8\n");
  const auto lines = json_lines(outcome.out);
  REQUIRE(lines.size() == 4);
  CHECK(lines[0]["line"] == 1);
  CHECK(lines[0]["label"] == "anger");
  CHECK(lines[1]["line"] == 3);
  CHECK(lines[1]["tokens"] == 2);  // an empty text is [CLS] [SEP]
  CHECK(lines[2]["label"] == "sadness");
  CHECK(lines[3]["line"] == 5);
  for (const json& line : lines) {
    CHECK(line["logits"].size() == 6);
    double sum = 0.0;
    for (const double p : line["probabilities"]) sum += p;
    CHECK(sum == doctest::Approx(1.0));
    CHECK(line["truncated"] == false);
  }
}

TEST_CASE("CSV and output files") {
  const auto file = scratch("run-output") / "answers.csv";
  const Outcome outcome =
      shell("qe-run " + runnable() + " --text hello --format csv --output '" + file.string() + "'");
  CHECK(outcome.code == 0);
  CHECK(outcome.out.empty());
  CHECK(read_file(file).starts_with("line,label,p(sadness),p(joy),"));
  CHECK(shell("qe-run " + runnable() + " --text hello --output /nonexistent/file").code == 5);
  CHECK(shell("qe-run " + runnable() + " --text hello --output /dev/full").code == 5);
  CHECK(shell("qe-run " + runnable() + " --text hello > /dev/full").code == 5);
}

TEST_CASE("token ids alone, even without weights") {
  const auto model = copy_of_model("tokenizer-only");
  std::filesystem::remove(model / "model.safetensors");
  const Outcome outcome =
      shell("qe-run '" + model.string() + "' --tokenize", "hello\n\nhello hello");
  CHECK(outcome.code == 0);
  const auto lines = json_lines(outcome.out);
  REQUIRE(lines.size() == 3);
  CHECK(lines[0].size() >= 3);
  CHECK(lines[1] == json::array({2, 3}));
  CHECK(lines[2].size() == 2 * lines[0].size() - 2);
  CHECK(shell("qe-run '" + model.string() + "' --tokenize --max-length 129 --text x").code == 2);
}

TEST_CASE("pairs") {
  const std::string tokenize = "qe-run " + kModel + " --tokenize ";
  const Outcome flags = shell(tokenize + "--text hello --pair world");
  const Outcome lines = shell(tokenize + "--pairs", "hello\tworld\n");
  CHECK(flags.code == 0);
  CHECK(flags.out == lines.out);
  const Outcome bad = shell(tokenize + "--pairs", "hello\nhello\tworld\n");
  CHECK(bad.code == 4);
  CHECK(bad.err.find("line 1") != std::string::npos);
  CHECK(bad.out == lines.out);
  CHECK(shell(tokenize + "--text a --text b --pair c").code == 2);
  CHECK(shell("qe-run " + runnable() + " --text one --pair two").code == 0);
}

TEST_CASE("texts are cut on request and marked") {
  const auto line = json::parse(
      shell("qe-run " + runnable() + " --max-length 5 --format jsonl --text 'a b c d e f g h'")
          .out);
  CHECK(line["tokens"] == 5);
  CHECK(line["truncated"] == true);
}

TEST_CASE("several labels") {
  const Outcome outcome = shell("qe-run " + runnable("tests/data/models/bert-multilabel") +
                                " --format jsonl --text 'hello there'");
  REQUIRE(outcome.code == 0);
  const json line = json::parse(outcome.out);
  CHECK(line["labels"].is_array());
  CHECK_FALSE(line.contains("label"));
}

TEST_CASE("integer models give the same bits on any instruction set, thread count and batch") {
  const std::string texts =
      "i am angry\nwhat a surprise\n\nso very sad today and for a long while\n";
  for (const std::string scheme : {"dynamic", "static"}) {
    if (scheme == "static" && test::skip_float("calibration")) continue;
    const std::string run = "qe-run '" + quantized_model(scheme).string() + "' --format jsonl ";
    const Outcome expected = shell(run + "--isa reference --threads 1 --batch 1", texts);
    REQUIRE(expected.code == 0);
    for (const std::string isa : {"reference", "avx2", "avx512_vnni", "amx"}) {
      CHECK(shell(run + "--threads 2 --batch 4 --isa " + isa, texts).out == expected.out);
      CHECK(shell("QE_ISA=" + isa + " " + run + "--threads 3 --batch 3", texts).out ==
            expected.out);
    }
    CHECK(shell(run + "--no-mmap", texts).out == expected.out);
  }
  CHECK(shell("qe-run " + runnable() + " --isa sse2 --text x").code == 2);
  CHECK(shell("QE_ISA=sse2 qe-run " + kModel + " --text x").code == 2);
}

}  // namespace
}  // namespace qe::tools
