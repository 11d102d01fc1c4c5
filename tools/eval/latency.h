// Latency of single texts or images, two models in alternation in one process.
#pragma once

#include <filesystem>

#include "tools/eval/comparison.h"
#include "tools/eval/evaluation.h"

namespace qe::tools {

// Opens both models and classifies `samples` one at a time, tokenizing included, decoding of images
// not: blocks of about flags.duration seconds in the order A B B A, the two blocks of a pair on the
// same samples, after flags.warmup untimed ones. `pairs` pairs of blocks; fewer when interrupted.
LatencyPair measure_latency(const std::filesystem::path& reference,
                            const std::filesystem::path& model, const Samples& samples, int pairs,
                            const SharedFlags& flags);

}  // namespace qe::tools
