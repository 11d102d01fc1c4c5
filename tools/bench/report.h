// A latency study as a table and as JSON.
#pragma once

#include <vector>

#include "tools/bench/study.h"
#include "tools/support/result.h"
#include "tools/support/svg.h"
#include "tools/support/table.h"

namespace qe::tools {

Table study_table(const Study& study);

// {models, cases: [{..., series: [{..., blocks_ms: [[...]]}]}]}, to be merged into a result.
Json study_json(const Study& study, const StudyOptions& options);

// One series a model and case, the null measurements left out.
std::vector<LatencySeries> latency_series(const Study& study);

// Reasons to distrust the percentages or ratios, one sentence each.
std::vector<std::string> study_warnings(const Study& study);

}  // namespace qe::tools
