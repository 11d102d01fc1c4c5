// Lists of positive integers as a command line writes them: "8", "1,2,4", "1-8", "16-512*2" (each
// twice the last), "32-128+32" (in steps of 32), and any comma list of these.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qe::tools {

// The values in the order written, repeats kept. `flag` is named in messages. Throws UsageError on
// anything else, on values outside [1, 1'000'000] and on more than 1000 values.
std::vector<int> parse_sweep(std::string_view text, const std::string& flag);

}  // namespace qe::tools
