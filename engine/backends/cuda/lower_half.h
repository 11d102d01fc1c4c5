// Lowering of models whose values are halves on the GPU (engine/passes/store_halves.h).
#pragma once

#include "engine/backends/cuda/lower.h"

namespace qe::cuda {

// Rows in lower_half_rows.cpp, products in lower_half_linear.cpp, attention beside that of
// integers.
LoweredStep lower_half_embedding(const Node& node, LoweringContext& context);
LoweredStep lower_half_layer_norm(const Node& node, LoweringContext& context);
LoweredStep lower_half_linear(const Node& node, LoweringContext& context);
LoweredStep lower_half_attention(const Node& node, LoweringContext& context);

// The elements of a constant as halves, rows `ld` elements apart, made when they are uploaded; then
// the file's pages can go. The upload throws UnsupportedError for what no half can hold.
WeightRef add_halves(const Value& value, std::int64_t rows, std::int64_t cols, std::int64_t ld,
                     LoweringContext& context);

}  // namespace qe::cuda
