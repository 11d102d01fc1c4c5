// qe-bench gemm and qe-inspect --devices from the outside. Nothing here depends on how fast the
// machine is.
#include <string>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <qe/cuda/device.h>
#include <qe/error.h>

#include "tests/support/float_models.h"
#include "tests/tools/shell.h"

namespace qe::tools {
namespace {

using nlohmann::json;

const std::string kQuick = " --warmup 1 --iters 2 --pairs 3 --quiet --threads 2 ";

bool has_gpu() {
  try {
    return !cuda::devices().empty();
  } catch (const DeviceError&) {
    return false;
  }
}

TEST_CASE("products on the CPU beside oneDNN's") {
  if (test::skip_float("a comparison with oneDNN")) {
    CHECK(shell("qe-bench gemm --compare onednn").code == 2);
    return;
  }
  const std::string command =
      "qe-bench gemm --device cpu --compare onednn --shapes 32x64x48,7x30x20" + kQuick;
  const Outcome outcome = shell(command + "--format json");
  REQUIRE_MESSAGE(outcome.code == 0, outcome.err);
  const json result = json::parse(outcome.out);
  CHECK(result["tool"] == "qe-bench gemm");
  CHECK(result["complete"] == true);
  REQUIRE(result["cases"].size() == 2);
  for (const json& one : result["cases"]) {
    CHECK(one["peak"]["tops"] > 0.0);
    CHECK(one["peak"]["clock_mhz"] > 0.0);
    REQUIRE(one["series"].size() == 3);
    CHECK(one["series"][0]["name"] == "qe");
    CHECK(one["series"][0]["blocks_us"].size() == 6);
    CHECK(one["series"][0]["tops"] > 0.0);
    CHECK(one["series"][1]["does"] == "product alone");
    CHECK(one["series"][2]["does"] == "requantized");
    CHECK(one["series"][2]["role"] == "best rival");
    CHECK(one["series"][2]["time_over_ours"] > 0.0);
  }
  const Outcome table = shell(command);
  CHECK(table.out.find("% of peak") != std::string::npos);
  CHECK(table.out.find("geometric mean") != std::string::npos);
}

TEST_CASE("products on the CPU by themselves") {
  const Outcome outcome = shell("qe-bench gemm --shapes 8x16x16 --format csv" + kQuick);
  CHECK(outcome.code == 0);
  CHECK(outcome.out.starts_with("shape,who,how,does,"));
  CHECK(outcome.out.find("8x16x16,qe,") != std::string::npos);
}

TEST_CASE("what cannot be measured is refused") {
  for (const char* const bad :
       {"--device gpu", "--device cuda:", "--device cuda:x", "--device cuda:-1", "--device cuda:1x",
        "--shapes 1x2", "--compare cublaslt", "--device cuda --compare onednn", "--compare mkl",
        "--pairs 0", "stray"}) {
    CHECK_MESSAGE(shell(std::string("qe-bench gemm ") + bad).code == 2, bad);
  }
}

TEST_CASE("without a GPU the tools say so, with a status of its own") {
  if (has_gpu()) {
    MESSAGE("skipped: there is a GPU");
    return;
  }
  for (const char* const command :
       {"qe-bench gemm --device cuda --shapes 16x16x16", "qe-inspect --devices",
        "qe-bench gemm --device cuda:3 --compare cublaslt", "qe-inspect --devices --format json"}) {
    const Outcome outcome = shell(command);
    CHECK_MESSAGE(outcome.code == 7, command);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.find(cuda::built() ? "NVIDIA" : "QE_CUDA") != std::string::npos);
  }
}

TEST_CASE("without a GPU no model runs on one, and none runs somewhere else instead") {
  if (has_gpu()) {
    MESSAGE("skipped: there is a GPU");
    return;
  }
  const std::string model = " '" + quantized_model("dynamic").string() + "'";
  for (const std::string& command :
       {"qe-run" + model + " --text hello --device cuda",
        "qe-eval" + model + " --data " + kSentences + " --quiet --device cuda:0",
        "qe-bench" + model + " --device cuda --quiet" + kQuick,
        std::string("qe-run models/tiny-shapes --image data/demo-shapes/images --device cuda")}) {
    const Outcome outcome = shell(command);
    CHECK_MESSAGE(outcome.code == 7, command);
    CHECK(outcome.out.empty());
    CHECK(outcome.err.find(cuda::built() ? "NVIDIA" : "QE_CUDA") != std::string::npos);
  }
  for (const std::string& command :
       {"qe-run" + model + " --text hello --device gpu",
        "qe-eval" + model + " --data " + kSentences + " --device cuda:x",
        "qe-bench" + model + " --device cuda:"}) {
    const Outcome outcome = shell(command);
    CHECK_MESSAGE(outcome.code == 2, command);
    CHECK(outcome.err.find("--device") != std::string::npos);
    CHECK(outcome.err.find("cpu, cuda or cuda:INDEX") != std::string::npos);
  }
}

}  // namespace
}  // namespace qe::tools
