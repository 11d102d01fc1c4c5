// Constants of a graph as every backend wants them: converted to floats, padded, in one piece.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include <qe/graph.h>
#include <qe/plan.h>

namespace qe {

// Arrays that kernels read column by column have whole groups of 16 elements.
constexpr std::size_t padded_columns(std::size_t count) { return (count + 15) / 16 * 16; }

// The elements as floats, padded with zeros; integers as they are, without their scales.
std::vector<float> padded_floats(const Value& value);

// The scales of a quantized constant, one a row, padded with zeros. Throws GraphError.
std::vector<float> row_scales(const Value& value);

// Rows of the stacked parts as one row-major s8 matrix; a copy only where there are several.
class StackedRows {
 public:
  explicit StackedRows(const Value& value);
  const std::int8_t* data() const { return data_.data(); }

 private:
  std::vector<std::int8_t> copy_;
  std::span<const std::int8_t> data_;
};

// Throws UnsupportedError beyond the depth to which 32-bit sums are exact.
void require_exact_depth(const Value& weight, std::int64_t depth);

// Gives the pages of a constant's file back, if the options say so.
void release_source(const Value& value, const CompileOptions& options);

}  // namespace qe
