// The latency study: every combination of threads, batch and (of texts) length, every model against
// the first in alternating blocks, the machine's INT8 peak measured between them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/bench/contestant.h"
#include "tools/bench/machine_peak.h"
#include "tools/support/args.h"
#include "tools/support/statistics/paired_ratio.h"
#include "tools/support/statistics/percentiles.h"

namespace qe::tools {

struct StudyOptions {
  std::vector<int> threads = {1};
  std::vector<int> batches = {1};
  std::vector<int> seq_lens = {128};
  bool seq_lens_given = false;
  std::vector<Variant> variants = {};  // each model once more with each
  std::string data = {};  // real texts instead of seq_lens, real images instead of random ones
  int pairs = 15;
  bool pin = true;
  SharedFlags flags = {};
};

// One model in one case.
struct Series {
  std::string model;
  std::string scheme;
  std::string variant;                      // as the user wrote it; empty: the default
  std::vector<std::vector<double>> blocks;  // milliseconds of every run, block by block
  Summary latency;                          // over all runs, ms
  double samples_per_second = 0.0;          // texts or images, at the median
  double gmacs = 0.0;                       // 10^9 multiply-adds a second at the median
  std::optional<double> share_of_peak;      // gmacs over the INT8 peak of this case
  RatioEstimate speedup;  // reference / this, of block medians; null: a second reference session
  bool is_null = false;
};

struct StudyCase {
  int threads = 1;
  int batch = 1;
  int seq_len = 0;                  // 0: real texts, or images
  std::vector<Series> series;       // the reference first, then its null, then the others
  std::optional<PeakSummary> peak;  // of the CPU; none of a GPU (qe-bench gemm has one)
};

struct Study {
  std::vector<Contestant> contestants;
  std::vector<StudyCase> cases;
  bool images = false;  // what the models classify
};

struct CaseInputs {
  std::vector<Request> requests;  // one that is repeated, or several that are walked through
  int threads = 1;
};

// All models of one case, compiled for at least its size; nothing if interrupted.
std::optional<StudyCase> run_case(const Study& study, const CaseInputs& inputs,
                                  const StudyOptions& options);

// Stops after the current block when interrupted; cases cut short are dropped. Throws UsageError if
// models of texts and of images meet, images of different sizes, or images and a length.
Study run_study(std::span<const std::string> models, const StudyOptions& options,
                const std::function<void(std::size_t done, std::size_t total)>& progress);

// What a study of these models runs, made before any model is loaded.
struct Workload {
  std::vector<std::vector<Request>> by_batch;  // as options.batches; empty: random texts
  bool images = false;
  int longest = 0;      // text, in tokens
  int most_tokens = 0;  // of one run
  int most_samples = 0;
};

Workload make_workload(std::span<const std::string> models, const StudyOptions& options);

}  // namespace qe::tools
