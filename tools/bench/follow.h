// The worker of a comparison between engines: a driver in another process decides when and what is
// measured, by lines on standard input; every answer is one JSON line (protocol: bench/peers).
#pragma once

#include <istream>
#include <ostream>
#include <string>

#include "tools/bench/study.h"

namespace qe::tools {

// First value of each sweep in `options` alone is used. Prints {"ready": true, ...} once loaded and
// warm, then obeys: "block SECONDS" (run for that long, at least once), "batches I J ..." (these
// requests), "labels" (the best label of every text or image, request by
// request), "quit". Anything else is
// answered with {"error": ...}. Returns at "quit" or the end of `in`.
void follow(const std::string& model, const StudyOptions& options, std::istream& in,
            std::ostream& out);

}  // namespace qe::tools
