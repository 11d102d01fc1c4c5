// A compiled model ready to be timed.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <qe/plan.h>
#include <qe/session.h>

#include "tools/bench/variant.h"
#include "tools/bench/workload.h"
#include "tools/support/args.h"

namespace qe::tools {

struct Contestant {
  std::string directory;
  std::string scheme;  // "float", "int8 dynamic", ...
  Variant variant;     // of its sessions
  int vocab_size;
  int max_positions;
  std::optional<ImageInput> image;  // of a model of images
  std::uintmax_t file_bytes;
  double load_ms;                    // reading, compiling and packing
  std::shared_ptr<const Plan> plan;  // its sessions share it
};

// Loads `directory` and compiles it for runs of at most that many tokens and samples (texts or
// images). `tokens_each` is the longest text; models of images have no use for tokens. Throws what
// loading throws, and UsageError if the model has fewer positions.
Contestant open_contestant(const std::filesystem::path& directory, const SharedFlags& flags,
                           int max_tokens, int max_samples, int tokens_each);

Session make_session(const Contestant& contestant, int threads, bool pin);

// The logits, valid until the next run.
std::span<const float> run_request(Session& session, const Request& request);

// Milliseconds of one run.
double timed_run(Session& session, const Request& request);

}  // namespace qe::tools
