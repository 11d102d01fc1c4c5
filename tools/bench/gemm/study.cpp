// Pairs of blocks A B B A, the peak between the two of a pair; and what is reported of them.
#include "tools/bench/gemm/study.h"

#include <cmath>
#include <limits>

#include "tools/support/run_tool.h"
#include "tools/support/statistics/percentiles.h"

namespace qe::tools {
namespace {

constexpr GemmKind kRivalKinds[] = {GemmKind::kAlone, GemmKind::kRequantized, GemmKind::kHalf};

const char* kind_name(GemmKind kind) {
  switch (kind) {
    case GemmKind::kOurs:
      break;
    case GemmKind::kAlone:
      return "product alone";
    case GemmKind::kRequantized:
      return "requantized";
    case GemmKind::kHalf:
      return "16-bit floats";
  }
  return "requantized";
}

GemmSeries make_series(const GemmContestant& contestant) {
  GemmSeries series;
  series.name = contestant.name;
  series.detail = contestant.detail;
  series.kind = contestant.kind;
  return series;
}

void finish(GemmSeries& series, const GemmShape& shape, const GemmPeak& peak) {
  series.us = median(series.blocks_us);
  series.tops = shape.operations() / series.us * 1e-6;
  series.share_of_peak = peak.tops > 0.0 && peak.invalid.empty()
                             ? series.tops / peak.tops
                             : std::numeric_limits<double>::quiet_NaN();
}

std::optional<GemmCase> run_case(GemmDevice& device, const GemmShape& shape,
                                 const GemmOptions& options) {
  const std::vector<GemmContestant> contestants = device.prepare(shape);
  GemmCase result{.shape = shape, .series = {}, .peak = {}, .agreement = {}};
  for (const GemmContestant& one : contestants) result.series.push_back(make_series(one));
  const auto measure = [&](std::size_t who, std::vector<double>& into) {
    const double us = contestants[who].block();
    into.push_back(us);
    result.series[who].blocks_us.push_back(us);
  };
  // Without a rival ours meets itself, as if it were one.
  for (std::size_t rival = contestants.size() > 1 ? 1 : 0; rival < contestants.size(); ++rival) {
    std::vector<double> ours;
    std::vector<double> theirs;
    for (std::size_t pair = 0; pair < static_cast<std::size_t>(options.pairs); ++pair) {
      if (interrupted()) return std::nullopt;
      const bool in_order = first_side_first(pair);
      measure(in_order ? 0 : rival, in_order ? ours : theirs);
      device.sample_peak();
      measure(in_order ? rival : 0, in_order ? theirs : ours);
    }
    if (rival > 0) result.series[rival].ratio = paired_ratio(theirs, ours, options.flags.seed);
  }
  result.peak = device.peak();
  result.agreement = device.agreement();
  for (GemmSeries& series : result.series) finish(series, shape, result.peak);
  return result;
}

std::string ratio_text(const RatioEstimate& ratio) {
  return fixed(ratio.median, 3) + "x " + interval(ratio.interval.low, ratio.interval.high, 3);
}

}  // namespace

GemmStudy run_gemm_study(GemmDevice& device, const std::vector<GemmShape>& shapes,
                         const GemmOptions& options,
                         const std::function<void(std::size_t done)>& progress) {
  GemmStudy study{.device = device.description(), .cases = {}};
  for (const GemmShape& shape : shapes) {
    auto one = run_case(device, shape, options);
    if (!one) break;
    study.cases.push_back(std::move(*one));
    progress(study.cases.size());
  }
  return study;
}

const GemmSeries* best_rival(const GemmCase& one, GemmKind kind) {
  const GemmSeries* best = nullptr;
  for (const GemmSeries& series : one.series) {
    if (series.kind == kind && (!best || series.us < best->us)) best = &series;
  }
  return best;
}

Table gemm_table(const GemmStudy& study) {
  Table table{.title = study.device,
              .header = {"shape", "who", "how", "does", "M", "N", "K", "us", "TOPS", "% of peak",
                         "time / ours"},
              .text_columns = 4};
  for (const GemmCase& one : study.cases) {
    for (std::size_t i = 0; i < one.series.size(); ++i) {
      const GemmSeries& s = one.series[i];
      table.rows.push_back({one.shape.name, s.name, s.detail, kind_name(s.kind),
                            std::to_string(one.shape.m), std::to_string(one.shape.n),
                            std::to_string(one.shape.k), fixed(s.us, 2), fixed(s.tops, 3),
                            fixed(100.0 * s.share_of_peak, 1), i == 0 ? "-" : ratio_text(s.ratio)});
    }
  }
  return table;
}

Table gemm_summary(const GemmStudy& study) {
  Table table{.title = "Best rival's time over ours",
              .header = {"rival does", "shapes", "geometric mean", "least"},
              .text_columns = 1};
  for (const GemmKind kind : kRivalKinds) {
    double logarithms = 0.0;
    double least = std::numeric_limits<double>::infinity();
    int count = 0;
    for (const GemmCase& one : study.cases) {
      const GemmSeries* const rival = best_rival(one, kind);
      if (!rival) continue;
      logarithms += std::log(rival->ratio.median);
      least = std::min(least, rival->ratio.median);
      ++count;
    }
    if (count == 0) continue;
    table.rows.push_back({kind_name(kind), std::to_string(count),
                          fixed(std::exp(logarithms / count), 3) + "x", fixed(least, 3) + "x"});
  }
  return table;
}

Json gemm_json(const GemmStudy& study, const GemmOptions& options) {
  Json cases = Json::array();
  for (const GemmCase& one : study.cases) {
    Json series = Json::array();
    for (std::size_t i = 0; i < one.series.size(); ++i) {
      const GemmSeries& s = one.series[i];
      Json json = {{"name", s.name},
                   {"detail", s.detail},
                   {"does", kind_name(s.kind)},
                   {"role", i == 0                          ? "ours"
                            : s.kind == GemmKind::kOurs     ? "another of ours"
                            : &s == best_rival(one, s.kind) ? "best rival"
                                                            : "rival"},
                   {"us", s.us},
                   {"tops", s.tops},
                   {"share_of_peak", s.share_of_peak}};
      if (i > 0) {
        json["time_over_ours"] = s.ratio.median;
        json["time_over_ours_interval95"] = {s.ratio.interval.low, s.ratio.interval.high};
      }
      json["blocks_us"] = s.blocks_us;
      series.push_back(std::move(json));
    }
    cases.push_back({{"shape", one.shape.name},
                     {"m", one.shape.m},
                     {"n", one.shape.n},
                     {"k", one.shape.k},
                     {"peak",
                      {{"tops", one.peak.tops},
                       {"clock_mhz", one.peak.clock_mhz},
                       {"valid", one.peak.invalid.empty()},
                       {"reason", one.peak.invalid}}},
                     {"agreement", one.agreement},
                     {"series", std::move(series)}});
  }
  return {{"device", study.device},
          {"settings",
           {{"pairs", options.pairs},
            {"block_seconds", options.flags.duration},
            {"iterations", options.flags.iterations},
            {"warmup", options.flags.warmup},
            {"seed", options.flags.seed}}},
          {"cases", std::move(cases)}};
}

std::vector<std::string> gemm_warnings(const GemmStudy& study) {
  std::vector<std::string> warnings;
  for (const GemmCase& one : study.cases) {
    if (!one.peak.invalid.empty()) {
      warnings.push_back(one.shape.name + ": no share of the peak: " + one.peak.invalid);
    }
    if (one.agreement == "different") {
      warnings.push_back(one.shape.name + ": ours and the rival's results differ");
    }
  }
  return warnings;
}

}  // namespace qe::tools
