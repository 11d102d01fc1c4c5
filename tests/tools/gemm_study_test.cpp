// Lists of shapes; the study of products on a device whose times are given, so that every figure of
// its reports is known.
#include <doctest/doctest.h>

#include <cmath>
#include <sstream>

#include <qe/error.h>

#include "tools/bench/gemm/study.h"

namespace qe::tools {
namespace {

TEST_CASE("lists of shapes") {
  const auto encoder = parse_shapes("bert-base", "--shapes");
  REQUIRE(encoder.size() == 16);
  CHECK(encoder[0].name == "bert-base b1 qkv");
  CHECK((encoder[0].m == 128 && encoder[0].n == 2304 && encoder[0].k == 768));
  CHECK((encoder[15].m == 16384 && encoder[15].n == 768 && encoder[15].k == 3072));
  const auto several = parse_shapes("1x2x3,bert-large,8192x8192x8192", "--shapes");
  REQUIRE(several.size() == 18);
  CHECK((several[0].m == 1 && several[0].n == 2 && several[0].k == 3));
  CHECK(several[0].operations() == 12.0);
  CHECK(several[1].n == 3072);
  CHECK(several[17].name == "8192x8192x8192");
  for (const char* const bad : {"", "1x2", "1x2x3x4", "0x2x3", "1x2x3,", "bert", "1X2X3", "-1x2x3",
                                "1x2x99999999999", "ax2x3", "1x2x3 "}) {
    CHECK_THROWS_AS(parse_shapes(bad, "--shapes"), UsageError);
  }
}

// Ours takes 10 us, a rival 20 and 30 us for the product alone and 40 us requantized.
class GivenDevice : public GemmDevice {
 public:
  std::string description() const override { return "given"; }
  std::vector<GemmContestant> prepare(const GemmShape&) override {
    const auto takes = [](const char* name, GemmKind kind, double us) {
      return GemmContestant{
          .name = name, .detail = "d", .kind = kind, .block = [us] { return us; }};
    };
    return {takes("qe", GemmKind::kOurs, 10.0), takes("a", GemmKind::kAlone, 30.0),
            takes("b", GemmKind::kAlone, 20.0), takes("c", GemmKind::kRequantized, 40.0)};
  }
  void sample_peak() override { ++samples; }
  GemmPeak peak() const override { return given_peak; }
  std::string agreement() override { return given_agreement; }

  int samples = 0;
  GemmPeak given_peak = {.tops = 4.0, .clock_mhz = 1000.0};
  std::string given_agreement = "same bytes";
};

GemmStudy study_of(GivenDevice& device) {
  const GemmOptions options{.flags = {}, .pairs = 3};
  return run_gemm_study(device, parse_shapes("100x100x1000,10x10x10", "--shapes"), options,
                        [](std::size_t) {});
}

TEST_CASE("figures of a study follow from its times") {
  GivenDevice device;
  const GemmStudy study = study_of(device);
  REQUIRE(study.cases.size() == 2);
  const GemmCase& first = study.cases[0];
  CHECK(device.samples == 2 * 3 * 3);
  CHECK(first.series[0].blocks_us.size() == 9);
  CHECK(first.series[0].tops == doctest::Approx(2.0));
  CHECK(first.series[0].share_of_peak == doctest::Approx(0.5));
  CHECK(first.series[1].ratio.median == doctest::Approx(3.0));
  REQUIRE(best_rival(first, GemmKind::kAlone));
  CHECK(best_rival(first, GemmKind::kAlone)->name == "b");
  CHECK_FALSE(best_rival(first, GemmKind::kHalf));
  const Table summary = gemm_summary(study);
  REQUIRE(summary.rows.size() == 2);
  CHECK(summary.rows[0] == std::vector<std::string>{"product alone", "2", "2.000x", "2.000x"});
  CHECK(summary.rows[1][2] == "4.000x");
  CHECK(gemm_table(study).rows.size() == 8);
  CHECK(gemm_warnings(study).empty());
  const Json json = gemm_json(study, {});
  CHECK(json["cases"][0]["series"][0]["role"] == "ours");
  CHECK(json["cases"][0]["series"][1]["role"] == "rival");
  CHECK(json["cases"][0]["series"][2]["role"] == "best rival");
  CHECK(json["cases"][0]["series"][2]["time_over_ours"] == 2.0);
  CHECK(json["cases"][0]["peak"]["tops"] == 4.0);
}

TEST_CASE("a peak that is not valid gives no share, results that differ a warning") {
  GivenDevice device;
  device.given_peak.invalid = "shared";
  device.given_agreement = "different";
  const GemmStudy study = study_of(device);
  CHECK(std::isnan(study.cases[0].series[0].share_of_peak));
  CHECK(gemm_warnings(study).size() == 4);
}

}  // namespace
}  // namespace qe::tools
