// The epilogue of a linear layer in integers, worked out at compile time, the same for every
// backend: zero points fold into the accumulators' start, scales into one multiplier a column, a
// known floor of the input and a static output's scale into multiplier and bias; floors that each
// row finds for itself multiply the sums of the columns' weights.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <qe/graph.h>

namespace qe {

// Arrays have padded_columns() elements, zero beyond the columns.
struct LinearColumns {
  std::vector<std::int32_t> offset;  // empty for a dynamic input
  std::vector<float> scale;
  std::vector<float> bias;
  std::vector<float> weight_sum;  // empty unless every row of the input has its floor
  // For bytes after an activation.
  float out_inv_scale = 0;
  float out_zero_point = 0;
};

// `column_sum`: of each column's weights, padded likewise with zeros. Throws GraphError.
LinearColumns linear_columns(const Graph& graph, const Node& node,
                             std::span<const std::int32_t> column_sum);

// "gelu_erf +residual -> u8": what the epilogue does, for people.
std::string epilogue_name(const Graph& graph, const Node& node);

}  // namespace qe
