// Sizes of matrix products to measure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace qe::tools {

struct GemmShape {
  std::string name;  // "bert-base b8 ffn1", "128x768x768"
  int m = 0, n = 0, k = 0;

  double operations() const { return 2.0 * m * n * k; }
};

// A comma list of "MxNxK" and of "bert-base" and "bert-large": the four products of a layer of the
// encoder for 1, 8, 32 and 128 texts of 128 tokens. Throws UsageError naming `flag`.
std::vector<GemmShape> parse_shapes(std::string_view text, const std::string& flag);

}  // namespace qe::tools
