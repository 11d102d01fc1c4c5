// Other choices for the sessions of a study, as a user writes them: "overlap=off" or
// "row-bytes-from=1,byte-heads-from=never".
#pragma once

#include <string>
#include <string_view>

#include <qe/gpu_options.h>

namespace qe::tools {

struct Variant {
  std::string text;  // empty: the default
  GpuOptions gpu;
};

// Throws UsageError for a name or value that is not known and for a name that comes twice.
Variant parse_variant(std::string_view text);

// The names and their values, for --help.
std::string variant_help();

}  // namespace qe::tools
