// Products measured: ours against each rival in alternating blocks, on one device.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "tools/bench/gemm/device.h"
#include "tools/support/result.h"
#include "tools/support/statistics/paired_ratio.h"
#include "tools/support/table.h"

namespace qe::tools {

struct GemmSeries {
  std::string name, detail;
  GemmKind kind = GemmKind::kOurs;
  std::vector<double> blocks_us;  // of every block
  double us = 0.0;                // median
  double tops = 0.0;
  double share_of_peak = 0.0;  // NaN without a valid peak
  RatioEstimate ratio;         // its time over ours, of pairs; not of ours itself
};

struct GemmCase {
  GemmShape shape;
  std::vector<GemmSeries> series;  // ours first
  GemmPeak peak;
  std::string agreement;
};

struct GemmStudy {
  std::string device;
  std::vector<GemmCase> cases;
};

// Stops when interrupted; a case cut short is dropped.
GemmStudy run_gemm_study(GemmDevice& device, const std::vector<GemmShape>& shapes,
                         const GemmOptions& options,
                         const std::function<void(std::size_t done)>& progress);

// The fastest rival of a kind; null if there is none.
const GemmSeries* best_rival(const GemmCase& one, GemmKind kind);

Table gemm_table(const GemmStudy& study);
// Geometric means over the cases of the best rival's time over ours, a row a kind.
Table gemm_summary(const GemmStudy& study);
Json gemm_json(const GemmStudy& study, const GemmOptions& options);
std::vector<std::string> gemm_warnings(const GemmStudy& study);

// qe-bench gemm: the arguments after the word.
int run_gemm_bench(int argc, const char* const* argv);

}  // namespace qe::tools
