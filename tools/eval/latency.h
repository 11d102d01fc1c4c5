// Latency of single texts, two models in alternation in one process.
#pragma once

#include <filesystem>
#include <span>

#include "tools/eval/comparison.h"
#include "tools/eval/evaluation.h"

namespace qe::tools {

// Opens both models and classifies `texts` one at a time, tokenizing included: blocks of about
// flags.duration seconds in the order A B B A, the two blocks of a pair on the same texts, after
// flags.warmup untimed ones. `pairs` pairs of blocks; fewer when interrupted.
LatencyPair measure_latency(const std::filesystem::path& reference,
                            const std::filesystem::path& model, std::span<const SampleText> texts,
                            int pairs, const SharedFlags& flags);

}  // namespace qe::tools
