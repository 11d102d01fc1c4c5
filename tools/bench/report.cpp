// Rendering. Ratios between different threads, batches or lengths are never formed.
#include "tools/bench/report.h"

#include <cmath>

namespace qe::tools {
namespace {

std::string case_name(const StudyCase& one, bool images) {
  const std::string length = images            ? "images"
                             : one.seq_len > 0 ? "s" + std::to_string(one.seq_len)
                                               : "real texts";
  return length + " b" + std::to_string(one.batch) + " t" + std::to_string(one.threads);
}

std::string model_name(const Series& series) {
  std::string name = series.model;
  if (!series.variant.empty()) name += " " + series.variant;
  if (series.is_null) name += " (null)";
  return name;
}

Json interval_json(const RatioEstimate& ratio) {
  return Json::array({ratio.interval.low, ratio.interval.high});
}

Json summary_json(const Summary& s) {
  return {{"runs", s.count}, {"mean", s.mean}, {"sd", s.sd},   {"mad", s.mad}, {"min", s.minimum},
          {"p50", s.p50},    {"p90", s.p90},   {"p95", s.p95}, {"p99", s.p99}, {"max", s.maximum}};
}

Json peak_json(const PeakSummary& peak) {
  return {{"gmac_per_second", peak.gmacs},
          {"mac_per_cycle_and_core", peak.macs_per_cycle},
          {"valid", peak.invalid.empty()},
          {"reason", peak.invalid}};
}

Json series_json(const Series& series, bool reference, bool images) {
  Json json = {
      {"model", series.model},
      {"scheme", series.scheme},
      {"variant", series.variant},
      {"role", reference        ? "reference"
               : series.is_null ? "null"
                                : "model"},
      {"latency_ms", summary_json(series.latency)},
      {images ? "images_per_second" : "texts_per_second", series.samples_per_second},
      {"gmac_per_second", series.gmacs},
      {"share_of_int8_peak", series.share_of_peak ? Json(*series.share_of_peak) : Json(nullptr)}};
  if (!reference) {
    json["speedup_over_reference"] = series.speedup.median;
    json["speedup_interval95"] = interval_json(series.speedup);
    json["pairs"] = series.speedup.pairs;
  }
  json["blocks_ms"] = series.blocks;
  return json;
}

}  // namespace

Table study_table(const Study& study) {
  Table table{
      .header = {"case", "model", "scheme", "p50 ms", "p90", "p95", "p99", "mean", "sd", "MAD",
                 study.images ? "images/s" : "texts/s", "GMAC/s", "% of INT8 peak", "speed-up"},
      .text_columns = 3};
  for (const StudyCase& one : study.cases) {
    for (std::size_t i = 0; i < one.series.size(); ++i) {
      const Series& s = one.series[i];
      const Summary& ms = s.latency;
      table.rows.push_back(
          {case_name(one, study.images), model_name(s), s.scheme, fixed(ms.p50, 3),
           fixed(ms.p90, 3), fixed(ms.p95, 3), fixed(ms.p99, 3), fixed(ms.mean, 3), fixed(ms.sd, 3),
           fixed(ms.mad, 3), fixed(s.samples_per_second, 1), fixed(s.gmacs, 1),
           s.share_of_peak ? fixed(100.0 * *s.share_of_peak, 1) : "-",
           i == 0 ? "-"
                  : fixed(s.speedup.median, 3) + "x " +
                        interval(s.speedup.interval.low, s.speedup.interval.high, 3)});
    }
    if (!one.peak) continue;
    table.rows.push_back({case_name(one, study.images), "INT8 peak of the machine", "", "-", "-",
                          "-", "-", "-", "-", "-", "-", fixed(one.peak->gmacs, 1),
                          fixed(one.peak->macs_per_cycle, 1) + " MAC/cycle", "-"});
  }
  return table;
}

Json study_json(const Study& study, const StudyOptions& options) {
  Json models = Json::array();
  for (const Contestant& one : study.contestants) {
    models.push_back({{"model", one.directory},
                      {"scheme", one.scheme},
                      {"variant", one.variant.text},
                      {"device", name(one.plan->device())},
                      {"isa", name(one.plan->isa())},
                      {"integer_only", one.plan->integer()},
                      {"load_ms", one.load_ms},
                      {"weight_file_bytes", one.file_bytes},
                      {"resident_weight_bytes", one.plan->weight_bytes()},
                      {"arena_bytes", one.plan->arena_bytes()}});
  }
  Json cases = Json::array();
  for (const StudyCase& one : study.cases) {
    Json series = Json::array();
    for (std::size_t i = 0; i < one.series.size(); ++i) {
      series.push_back(series_json(one.series[i], i == 0, study.images));
    }
    Json json = {{"threads", one.threads}, {"batch", one.batch}};
    if (!study.images) json["seq_len"] = one.seq_len > 0 ? Json(one.seq_len) : Json(nullptr);
    json["int8_peak"] = one.peak ? peak_json(*one.peak) : Json(nullptr);
    json["series"] = std::move(series);
    cases.push_back(std::move(json));
  }
  return {{"settings",
           {{"pairs", options.pairs},
            {"block_seconds", options.flags.duration},
            {"iterations", options.flags.iterations},
            {"warmup", options.flags.warmup},
            {"pinned", options.pin},
            {"seed", options.flags.seed},
            {"data", options.data}}},
          {"models", models},
          {"cases", cases}};
}

std::vector<LatencySeries> latency_series(const Study& study) {
  std::vector<LatencySeries> result;
  for (const StudyCase& one : study.cases) {
    for (const Series& s : one.series) {
      if (s.is_null) continue;
      LatencySeries series{.name = model_name(s) + ", " + case_name(one, study.images),
                           .milliseconds = {}};
      for (const auto& block : s.blocks) {
        series.milliseconds.insert(series.milliseconds.end(), block.begin(), block.end());
      }
      result.push_back(std::move(series));
    }
  }
  return result;
}

std::vector<std::string> study_warnings(const Study& study) {
  std::vector<std::string> warnings;
  for (const StudyCase& one : study.cases) {
    if (one.peak && !one.peak->invalid.empty()) {
      warnings.push_back(case_name(one, study.images) +
                         ": percentages of the peak are not valid: " + one.peak->invalid);
    }
    for (const Series& s : one.series) {
      // Equal things must come out equal; a null away from 1 is drift that the pairs did not
      // cancel.
      if (s.is_null && (s.speedup.interval.low > 1.0 || s.speedup.interval.high < 1.0)) {
        warnings.push_back(case_name(one, study.images) + ": the null ratio is " +
                           fixed(s.speedup.median, 3) +
                           ", not 1: differences of that size mean nothing here");
      }
    }
  }
  return warnings;
}

}  // namespace qe::tools
