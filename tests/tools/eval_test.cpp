// qe-eval from the outside: figures, formats, thresholds, and every way data can be wrong.
#include <algorithm>
#include <cmath>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tests/support/float_models.h"
#include "tests/tools/shell.h"

namespace qe::tools {
namespace {

using nlohmann::json;

std::string eval() { return "qe-eval " + runnable() + " --data " + kSentences + " "; }

Outcome eval_text(const std::string& data, const std::string& flags = "",
                  const std::string& model = runnable()) {
  const auto file = scratch("eval-data") / "data.tsv";
  write_file(file, data);
  return shell("qe-eval " + model + " --quiet --data '" + file.string() + "' " + flags);
}

TEST_CASE("one model") {
  const Outcome table = shell(eval());
  CHECK(table.code == 0);
  CHECK(table.out.find("accuracy") != std::string::npos);
  CHECK(table.out.find("Confusion") != std::string::npos);
  const json result = json::parse(shell(eval() + "--format json").out);
  CHECK(result["schema"] == "qe.result/1");
  CHECK(result["tool"] == "qe-eval");
  CHECK(result["complete"] == true);
  CHECK(result["inputs"].size() >= 4);
  const json& model = result["models"][0];
  CHECK(model["rows"] == 186);
  CHECK(model["scheme"] == (test::runs_float_models() ? "float" : "int8 dynamic"));
  // Accuracy of the published weights on these sentences, one row of rounding either way.
  CHECK(std::abs(model["accuracy"].get<double>() - 0.753) < 0.0061);
  CHECK(model["classes"].size() == 6);
  CHECK(model["confusion"].size() == 6);
  CHECK(shell(eval() + "--format csv").out.find("\naccuracy,0.7") != std::string::npos);
  CHECK(shell(eval() + "--format md").out.find("| label |") != std::string::npos);
}

TEST_CASE("figures do not depend on threads, batch or mapping") {
  const auto figures = [](const std::string& flags) {
    json model = json::parse(shell("qe-eval '" + quantized_model("dynamic").string() + "' --data " +
                                   kSentences + " --format json " + flags)
                                 .out)["models"][0];
    return model;
  };
  const json expected = figures("--threads 1 --batch 1");
  CHECK(figures("--threads 2 --batch 32") == expected);
  CHECK(figures("--threads 3 --batch 7 --no-mmap --isa reference") == expected);
}

TEST_CASE("a comparison") {
  if (test::skip_float("the reference of the comparison")) return;
  const auto folder = scratch("eval-compare");
  const std::string svg = (folder / "confusion.svg").string();
  const std::string lines = (folder / "predictions.jsonl").string();
  const std::string command = eval() + "'" + quantized_model("static").string() +
                              "' --latency-pairs 3 --duration 0.01 --svg '" + svg +
                              "' --predictions '" + lines + "' ";
  const json result = json::parse(shell(command + "--format json").out);
  REQUIRE(result["models"].size() == 2);
  CHECK_FALSE(result["models"][0].contains("comparison"));
  const json& comparison = result["models"][1]["comparison"];
  const double float_accuracy = result["models"][0]["accuracy"];
  const double accuracy = result["models"][1]["accuracy"];
  CHECK(comparison["retention"].get<double>() == doctest::Approx(accuracy / float_accuracy));
  CHECK(comparison["accuracy_drop"].get<double>() == doctest::Approx(float_accuracy - accuracy));
  CHECK(comparison["retention_interval95"][0] <= comparison["retention"]);
  CHECK(comparison["retention_interval95"][1] >= comparison["retention"]);
  CHECK(comparison["labels_equal"] >= 0.95);
  CHECK(comparison["size_reduction"] > 0.4);  // against F16 weights
  CHECK(comparison["latency"]["pairs"] == 3);
  CHECK(comparison["latency"]["speedup"] > 0.0);
  const std::string picture = read_file(svg);
  CHECK(picture.starts_with("<svg"));
  CHECK(picture.find("int8 static") != std::string::npos);
  const std::string predictions = read_file(lines);
  CHECK(std::count(predictions.begin(), predictions.end(), '\n') == 2 * 186);
  CHECK(json::parse(predictions.substr(0, predictions.find('\n')))["line"] == 2);

  const Outcome table = shell(command);
  CHECK(table.code == 0);
  for (const char* column :
       {"speed-up", "retention", "size reduction", "labels equal", "McNemar"}) {
    CHECK(table.out.find(column) != std::string::npos);
  }
  // The same seed gives the same intervals.
  const json again = json::parse(shell(command + "--no-latency --threads 1 --format json").out);
  CHECK(again["models"][1]["comparison"]["retention_interval95"] ==
        comparison["retention_interval95"]);
}

TEST_CASE("thresholds decide the exit code") {
  CHECK(shell(eval() + "--fail-if 'accuracy<0.5'").code == 0);
  const Outcome failed = shell(eval() + "--fail-if 'accuracy<0.5' --fail-if 'macro_f1<0.99'");
  CHECK(failed.code == 1);
  CHECK(failed.err.find("macro_f1<0.99") != std::string::npos);
  CHECK(failed.out.find("accuracy") != std::string::npos);  // the report is still there
  CHECK(shell(eval() + "--fail-if 'accuracy'").code == 2);
  CHECK(shell(eval() + "--fail-if 'accuracy_drop>0.01'").code == 2);  // needs a second model
  CHECK(shell(eval() + runnable() + " --no-latency --fail-if 'accuracy_drop>0.01'").code == 0);
  CHECK(shell(eval() + runnable() + " --no-latency --fail-if 'retention<=1'").code == 1);
}

TEST_CASE("what data may look like") {
  CHECK(eval_text("\xEF\xBB\xBFtext\tlabel\r\ni am angry\tanger\r\n\t0").code == 0);
  CHECK(eval_text("label\ttext\n3\ti am angry\n").code == 0);
  const Outcome empty = eval_text("text\tlabel\n", "--format json");
  CHECK(empty.code == 0);
  CHECK(json::parse(empty.out)["models"][0]["accuracy"].is_null());
  const Outcome cut =
      eval_text("text\tlabel\na b c d e f\t0\na\t1\n", "--max-length 4 --format json");
  CHECK(json::parse(cut.out)["models"][0]["rows_truncated"] == 1);
}

TEST_CASE("what is wrong with data is said with its line") {
  const auto refused = [](const std::string& data, const std::string& message) {
    const Outcome outcome = eval_text(data);
    CHECK(outcome.code == 4);
    CHECK(outcome.out.empty());
    CHECK_MESSAGE(outcome.err.find(message) != std::string::npos, outcome.err);
  };
  refused("", "is empty");
  refused("text\n", "line 1: missing column");
  refused("label\n0\n", "\"text\"");
  refused("text\tlabel\nx\tanger\ny\trage\n", "line 3: unknown label");
  refused("text\tlabel\nx\t6\n", "line 2: unknown label");
  refused("text\tlabel\nx\n", "line 2: wrong number of columns");
  refused("text\tlabel\nx\xFF\t0\n", "line 2: is not UTF-8");
  CHECK(shell("qe-eval " + runnable() + " --data /nonexistent.tsv").code == 5);
  CHECK(shell("qe-eval " + runnable()).code == 2);
}

TEST_CASE("rows with errors can be skipped and are counted") {
  const std::string data = "text\tlabel\ni am angry\tanger\ny\trage\nz\xFF\t0\nsad\tsadness\n";
  const Outcome outcome = eval_text(data, "--on-error skip --format json");
  CHECK(outcome.code == 0);
  const json model = json::parse(outcome.out)["models"][0];
  CHECK(model["rows"] == 2);
  CHECK(model["rows_skipped"] == 2);
  CHECK(eval_text(data, "--on-error skip --fail-if 'skipped>0'").code == 1);
  CHECK(eval_text(data, "--on-error ignore").code == 2);
}

TEST_CASE("several labels a row") {
  const std::string directory = "tests/data/models/bert-multilabel";
  const json config =
      json::parse(read_file(std::string(QE_SOURCE_DIR "/") + directory + "/config.json"));
  const std::string first = config["id2label"]["0"];
  const std::string second = config["id2label"]["1"];
  const std::string data =
      "text\tlabel\none\t" + first + "," + second + "\ntwo\t\nthree\t1\nfour\t" + first + "\n";
  const std::string model = runnable(directory);
  const Outcome outcome = eval_text(data, "--format json", model);
  REQUIRE(outcome.code == 0);
  const json result = json::parse(outcome.out)["models"][0];
  CHECK(result["rows"] == 4);
  CHECK(result.contains("subset_accuracy"));
  CHECK(result.contains("micro_f1"));
  CHECK(eval_text(data, "--svg /tmp/none.svg", model).code == 2);
  CHECK(eval_text("text\tlabel\none\t" + first + ",nothing\n", "", model).code == 4);
}

TEST_CASE("models with other labels cannot be compared") {
  const Outcome outcome =
      shell(eval() + runnable("tests/data/models/distilbert") + " --no-latency");
  CHECK(outcome.code != 0);
}

}  // namespace
}  // namespace qe::tools
