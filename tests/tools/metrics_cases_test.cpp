// Random cases whose values scikit-learn and scipy computed (tests/oracle/metrics_vectors.py).
#include <cmath>
#include <fstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "tools/support/metrics/agreement.h"
#include "tools/support/metrics/confusion.h"
#include "tools/support/metrics/multilabel.h"
#include "tools/support/metrics/probability.h"
#include "tools/support/statistics/intervals.h"
#include "tools/support/statistics/mcnemar.h"

namespace qe::tools {
namespace {

using nlohmann::json;

const json& cases() {
  static const json loaded = [] {
    std::ifstream file(QE_SOURCE_DIR "/tests/data/metrics_cases.json");
    return json::parse(file);
  }();
  return loaded;
}

// null stands for an undefined value.
bool agrees(double value, const json& expected) {
  if (expected.is_null()) return std::isnan(value);
  const double wanted = expected.get<double>();
  return std::abs(value - wanted) <= 1e-9 * (1.0 + std::abs(wanted));
}

void check_rates(const std::vector<ClassScores>& scores, const json& expected) {
  for (std::size_t i = 0; i < scores.size(); ++i) {
    CHECK(agrees(scores[i].precision.value, expected["precision"][i]));
    CHECK(agrees(scores[i].recall.value, expected["recall"][i]));
    CHECK(agrees(scores[i].f1.value, expected["f1"][i]));
    CHECK(scores[i].support == expected["support"][i]);
    const json& undefined = expected["undefined"];
    CHECK(scores[i].precision.undefined == undefined["precision"][i].get<bool>());
    CHECK(scores[i].recall.undefined == undefined["recall"][i].get<bool>());
    CHECK(scores[i].f1.undefined == undefined["f1"][i].get<bool>());
  }
}

void check_average(const AverageScores& average, const json& expected) {
  CHECK(agrees(average.precision, expected["precision"]));
  CHECK(agrees(average.recall, expected["recall"]));
  CHECK(agrees(average.f1, expected["f1"]));
}

TEST_CASE("single-label cases") {
  REQUIRE(cases()["classification"].size() > 10);
  for (const json& one : cases()["classification"]) {
    const int classes = one["classes"];
    ConfusionMatrix matrix(classes);
    ProbabilityMeans probability;
    for (std::size_t i = 0; i < one["truth"].size(); ++i) {
      matrix.add(one["truth"][i], one["prediction"][i]);
      probability.add(one["logits"][i].get<std::vector<float>>(), one["truth"][i]);
    }
    for (int truth = 0; truth < classes; ++truth) {
      for (int predicted = 0; predicted < classes; ++predicted) {
        CHECK(
            matrix.at(truth, predicted) ==
            one["confusion"][static_cast<std::size_t>(truth)][static_cast<std::size_t>(predicted)]);
      }
    }
    const auto scores = per_class(matrix);
    check_rates(scores, one);
    check_average(macro_average(scores), one["macro"]);
    check_average(weighted_average(scores), one["weighted"]);
    CHECK(agrees(accuracy(matrix), one["accuracy"]));
    CHECK(agrees(matthews_correlation(matrix), one["mcc"]));
    CHECK(agrees(cohen_kappa(matrix), one["kappa"]));
    CHECK(agrees(probability.log_loss(), one["log_loss"]));
    CHECK(agrees(probability.mean_entropy(), one["mean_entropy"]));
  }
}

TEST_CASE("multi-label cases") {
  REQUIRE(cases()["multi_label"].size() > 5);
  for (const json& one : cases()["multi_label"]) {
    MultiLabelCounts counts(one["labels"]);
    for (std::size_t i = 0; i < one["truth"].size(); ++i) {
      counts.add(one["truth"][i].get<std::vector<int>>(),
                 one["prediction"][i].get<std::vector<int>>());
    }
    const auto scores = counts.per_label();
    for (std::size_t i = 0; i < scores.size(); ++i) CHECK(agrees(scores[i].f1.value, one["f1"][i]));
    CHECK(agrees(counts.micro_f1(), one["micro_f1"]));
    CHECK(agrees(counts.macro_f1(), one["macro_f1"]));
    CHECK(agrees(counts.subset_accuracy(), one["subset_accuracy"]));
  }
}

TEST_CASE("intervals and tests") {
  for (const json& one : cases()["wilson"]) {
    const Interval interval = wilson(one["hits"], one["trials"]);
    CHECK(agrees(interval.low, one["low"]));
    CHECK(agrees(interval.high, one["high"]));
  }
  for (const json& one : cases()["newcombe"]) {
    const Interval interval =
        newcombe(one["hits_a"], one["trials_a"], one["hits_b"], one["trials_b"]);
    CHECK(agrees(interval.low, one["low"]));
    CHECK(agrees(interval.high, one["high"]));
  }
  for (const json& one : cases()["mcnemar"]) {
    const McNemar result = mcnemar(one["only_a"], one["only_b"]);
    CHECK(agrees(result.exact, one["exact"]));
    CHECK(agrees(result.mid_p, one["mid_p"]));
  }
}

}  // namespace
}  // namespace qe::tools
