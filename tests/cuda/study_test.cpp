// A latency study of sessions on a GPU, each choice of theirs beside the default.
#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <vector>

#include <qe/save.h>

#include "tests/cuda/session_support.h"
#include "tools/bench/report.h"
#include "tools/bench/study.h"
#include "tools/support/temporary_folder.h"

namespace qe::tools {
namespace {

TEST_CASE("each model of a study meets the reference with each variant, on one plan") {
  StudyOptions options;
  options.pairs = 1;
  options.batches = {2};
  options.seq_lens = {9};
  options.flags.iterations = 1;
  options.flags.warmup = 1;
  options.flags.threads = 1;
  options.flags.device = test::kGpu;
  options.variants = {parse_variant("overlap=off"),
                      parse_variant("row-bytes-from=1,byte-heads-from=1")};
  const TemporaryFolder folder("qe-test-study");
  const std::filesystem::path bytes = folder.path() / "int8";
  write_quantized(test::quantized(test::embedded_model(), ActivationScheme::kDynamic),
                  test::source_path("models/tiny-emotion"), bytes);
  const std::vector<std::string> models = {bytes.string()};
  const Study study = run_study(models, options, [](std::size_t, std::size_t) {});
  REQUIRE(study.contestants.size() == 3);
  CHECK(study.contestants[1].plan == study.contestants[0].plan);
  CHECK_FALSE(study.contestants[1].variant.gpu.overlap);
  CHECK(study.contestants[2].variant.gpu.row_bytes_from == 1);
  REQUIRE(study.cases.size() == 1);
  const std::vector<Series>& series = study.cases[0].series;
  REQUIRE(series.size() == 4);
  CHECK(series[1].is_null);
  const std::vector<std::string> variants = {"", "", options.variants[0].text,
                                             options.variants[1].text};
  const Json json = study_json(study, options);
  const Table table = study_table(study);
  for (std::size_t i = 0; i < series.size(); ++i) {
    CAPTURE(i);
    CHECK(series[i].variant == variants[i]);
    CHECK(series[i].latency.p50 > 0.0);
    CHECK(json["cases"][0]["series"][i]["variant"] == variants[i]);
    CHECK((table.rows[i][1].find(variants[i]) != std::string::npos));
  }
  CHECK(json["models"][2]["variant"] == variants[3]);
}

}  // namespace
}  // namespace qe::tools
