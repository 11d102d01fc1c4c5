// qe-bench and qe-inspect from the outside. Nothing here depends on how fast the machine is.
#include <filesystem>
#include <sstream>
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <qe/isa.h>

#include "tests/support/float_models.h"
#include "tests/tools/shell.h"
#include "tools/bench/machine_peak.h"
#include "tools/bench/workload.h"

namespace qe::tools {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const std::string kQuick = " --warmup 1 --iters 2 --pairs 3 ";

TEST_CASE("random requests repeat with their seed") {
  const Request request = random_request(3, 5, 30522, 7);
  CHECK(request.tokens() == 15);
  CHECK(request.texts() == 3);
  CHECK(request.ids == random_request(3, 5, 30522, 7).ids);
  CHECK(request.ids != random_request(3, 5, 30522, 8).ids);
  for (const std::int32_t id : request.ids) CHECK((id >= 1000 && id < 30522));
  for (const std::int32_t id : random_request(1, 100, 10, 1).ids) CHECK((id >= 5 && id < 10));
  CHECK(longest_text(std::vector{random_request(1, 4, 99, 1), random_request(2, 9, 99, 1)}) == 9);
}

TEST_CASE("a peak below what any core is built for is not valid") {
  const std::vector<PeakSample> full = {{.gmacs = 200, .ghz = 3, .macs_per_cycle = 63.9}};
  CHECK(summarize_peaks(full).invalid.empty());
  CHECK(summarize_peaks(full).gmacs == 200);
  const std::vector<PeakSample> shared = {{.gmacs = 200, .ghz = 3, .macs_per_cycle = 100.0}};
  CHECK_FALSE(summarize_peaks(shared).invalid.empty());
  CHECK_FALSE(summarize_peaks({}).invalid.empty());
}

TEST_CASE("a study of two models") {
  const auto folder = scratch("bench");
  const Outcome outcome =
      shell("qe-bench " + runnable() + " '" + quantized_model("dynamic").string() + "' --quiet" +
            kQuick + "--threads 1,2 --batch 1,2 --seq-len 8-16*2 --format json --svg '" +
            (folder / "latency.svg").string() + "'");
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  CHECK(outcome.err.empty());
  const json result = json::parse(outcome.out);
  CHECK(result["schema"] == "qe.result/1");
  CHECK(result["complete"] == true);
  CHECK(result["models"].size() == 2);
  REQUIRE(result["cases"].size() == 8);
  for (const json& one : result["cases"]) {
    CHECK(one["int8_peak"]["gmac_per_second"] > 0.0);
    REQUIRE(one["series"].size() == 3);
    CHECK(one["series"][0]["role"] == "reference");
    CHECK(one["series"][1]["role"] == "null");
    CHECK(one["series"][2]["scheme"] == "int8 dynamic");
    CHECK(one["series"][2]["pairs"] == 3);
    CHECK(one["series"][2]["blocks_ms"].size() == 3);
    CHECK(one["series"][2]["blocks_ms"][0].size() == 2);
    CHECK(one["series"][0]["blocks_ms"].size() == 6);  // met the null and the other
    CHECK(one["series"][2]["latency_ms"]["p50"] > 0.0);
    CHECK(one["series"][2]["share_of_int8_peak"] > 0.0);
  }
  CHECK(read_file(folder / "latency.svg").starts_with("<svg"));
}

TEST_CASE("real texts, tables and their formats") {
  const std::string command = "qe-bench " + runnable() + " --quiet --threads 1 --data " +
                              kSentences + " --batch 32" + kQuick;
  const Outcome table = shell(command);
  CHECK(table.code == 0);
  CHECK(table.out.find("real texts b32 t1") != std::string::npos);
  CHECK(table.out.find("INT8 peak of the machine") != std::string::npos);
  CHECK(shell(command + "--format csv").out.starts_with("case,model,"));
  CHECK(shell(command + "--format md").out.starts_with("| case |"));
}

TEST_CASE("the worker obeys its driver") {
  const Outcome outcome =
      shell("qe-bench " + runnable() + " --follow --threads 1 --batch 64 --data " + kSentences,
            "block 0\nbatches 2 0\nbatches 9\nlabels\nfoo\nquit\nblock 0\n");
  CHECK(outcome.code == 0);
  std::istringstream stream(outcome.out);
  std::vector<json> replies;
  for (std::string line; std::getline(stream, line);) replies.push_back(json::parse(line));
  REQUIRE(replies.size() == 6);
  CHECK(replies[0]["ready"] == true);
  CHECK(replies[0]["batches"] == 3);
  CHECK(replies[0]["texts"] == 186);
  const std::string model = replies[0]["model"];
  CHECK(runnable().find(model) != std::string::npos);
  CHECK(replies[0]["load_ms"] > 0.0);
  CHECK(replies[1]["latencies_ms"].size() == 1);
  CHECK(replies[2]["latencies_ms"].size() == 2);
  CHECK(replies[3].contains("error"));
  REQUIRE(replies[4]["labels"].size() == 3);
  CHECK(replies[4]["labels"][2].size() == 186 - 128);
  CHECK(replies[5].contains("error"));
  CHECK(shell("qe-bench " + runnable() + " " + runnable() + " --follow").code == 2);
}

TEST_CASE("models with random weights load, run and quantize") {
  const fs::path folder = scratch("bench-synthetic");
  const std::string model = (folder / "model").string();
  const std::string write = "qe-bench --synthetic bert-tiny:3 --save '" + model + "'";
  REQUIRE(shell(write).code == 0);
  CHECK(shell("qe-quantize '" + model + "' '" + model + "-int8'").code == 0);
  CHECK(shell("qe-run '" + model + "-int8' --text hello").code == 0);
  if (!test::skip_float("a float model")) {
    CHECK(shell("qe-run '" + model + "' --text hello").code == 0);
  }
  const auto before = contents(model);
  CHECK(shell(write).code == 2);  // exists
  CHECK(shell(write + " --force").code == 0);
  CHECK(contents(model) == before);
  CHECK(shell("qe-bench --synthetic bert-tiny:4 --force --save '" + model + "'").code == 0);
  CHECK(contents(model) != before);
  CHECK(shell("qe-bench --synthetic bert-tiny --save '" + model + "-v' --vocab " + kModel +
              "/vocab.txt")
            .code == 0);
  CHECK(read_file(model + "-v/vocab.txt") == read_file(QE_SOURCE_DIR "/" + kModel + "/vocab.txt"));
  CHECK(shell("qe-bench --synthetic elephant --save '" + model + "-e'").code == 2);
  CHECK(shell("qe-bench --synthetic resnet18").code == 2);  // wants images
  CHECK(shell("qe-bench --save '" + model + "-s'").code == 2);
}

TEST_CASE("a model with random weights is measured beside its quantized form and not kept") {
  if (test::skip_float("a float model")) return;
  const Outcome run = shell("qe-bench --synthetic bert-tiny:3 --format json" + kQuick);
  REQUIRE(run.code == 0);
  const json result = json::parse(run.out);
  REQUIRE(result["models"].size() == 2);
  CHECK(result["models"][0]["scheme"] == "float");
  CHECK(result["models"][1]["scheme"] == "int8 dynamic");
  CHECK_FALSE(fs::exists(result["models"][0]["model"].get<std::string>()));
}

TEST_CASE("settings that cannot be measured") {
  CHECK(shell("qe-bench " + runnable() + " --seq-len 129" + kQuick).code == 2);  // 128 positions
  CHECK(shell("qe-bench " + runnable() + " --seq-len 8-").code == 2);
  const Outcome variant = shell("qe-bench " + runnable() + " --variant overlap=off" + kQuick);
  CHECK(variant.code == 2);
  CHECK(variant.err.find("--variant") != std::string::npos);
  const Outcome followed = shell("qe-bench " + runnable() + " --follow --variant overlap=off");
  CHECK(followed.code == 2);
  CHECK(followed.err.find("--follow") != std::string::npos);
  CHECK(shell("qe-bench " + runnable() + " --seq-len 8 --data " + kSentences).code == 2);
  CHECK(shell("qe-bench /nonexistent").code != 0);
}

TEST_CASE("an interrupt ends with what is there") {
  const Outcome outcome = shell("qe-bench " + runnable() +
                                " --quiet --format json --duration 0.05 --pairs 10000 &\n"
                                "worker=$!\nsleep 1\nkill -TERM $worker\nwait $worker");
  CHECK(outcome.code == 130);
  const json result = json::parse(outcome.out);
  CHECK(result["complete"] == false);
  CHECK(result["cases"].empty());
}

TEST_CASE("instruction sets are listed and can be capped") {
  const Outcome list = shell("qe-inspect --isa --format csv");
  CHECK(list.code == 0);
  CHECK(list.out.find("\nreference,yes,") != std::string::npos);
  CHECK(shell("qe-inspect --isa=reference --format csv").out.find("\nreference,yes,yes") !=
        std::string::npos);
  for (const Isa isa : available_isas()) {
    const std::string name(qe::name(isa));
    CHECK(shell("QE_ISA=" + name + " qe-inspect --isa --format csv")
              .out.find("\n" + name + ",yes,yes") != std::string::npos);
    const json plan =
        json::parse(shell("QE_ISA=" + name + " qe-inspect " + runnable() + " --format json").out);
    CHECK(plan["isa"] == name);
  }
  CHECK(shell("QE_ISA=mmx qe-inspect --isa").code == 2);
  CHECK(shell("qe-inspect").code == 2);
}

TEST_CASE("a model taken apart") {
  const std::string inspect = "qe-inspect '" + quantized_model("dynamic").string() + "' ";
  const Outcome all = shell(inspect);
  CHECK(all.code == 0);
  for (const char* part :
       {"BertForSequenceClassification", "int8 dynamic", "Tensors", "Activations", "Passes",
        "Steps of the plan", "Arena", "bert.pooler.dense.weight", "I8 per channel"}) {
    CHECK_MESSAGE(all.out.find(part) != std::string::npos, part);
  }
  CHECK(shell(inspect + "--graph").out.find("linear") != std::string::npos);
  CHECK(shell(inspect + "--passes").out.find("after ") != std::string::npos);
  CHECK(shell(inspect + "--tensors").out.find("Arena") == std::string::npos);
  const json small = json::parse(shell(inspect + "--format json --max-tokens 64").out);
  const json large = json::parse(shell(inspect + "--format json --max-tokens 512").out);
  CHECK(small["arena_bytes"] < large["arena_bytes"]);
  CHECK(small["tensors"].size() > 20);
  std::size_t end = 0;
  for (const json& buffer : large["arena"]) {
    end = std::max(end, buffer["offset"].get<std::size_t>() + buffer["bytes"].get<std::size_t>());
    CHECK(buffer["first_step"] <= buffer["last_step"]);
  }
  CHECK(end <= large["arena_bytes"]);
}

}  // namespace
}  // namespace qe::tools
