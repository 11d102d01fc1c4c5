// `quantization_config` of a compressed-tensors directory, reduced to what this project runs.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include <qe/config.h>
#include <qe/quant.h>

namespace qe {

struct QuantGroup {
  std::string name;
  std::set<std::string, std::less<>> targets;
  Granularity weights;               // kChannel, kTensor, or kInputChannel (strategy "group")
  std::int64_t group_size = 0;       // of strategy "group": weights of one input channel
  std::optional<QuantParams> input;  // static: still without scale
};

struct QuantScheme {
  std::vector<QuantGroup> groups;
  std::set<std::string, std::less<>> ignored;
};

// Throws UnsupportedError naming the first key that asks for anything else, LoadError for what is
// missing or of the wrong type.
QuantScheme parse_quant_scheme(const Config& quantization_config);

}  // namespace qe
