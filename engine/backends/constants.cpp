// Stacked parts one after another.
#include "engine/backends/constants.h"

#include <algorithm>
#include <string>

#include <qe/error.h>

namespace qe {

std::vector<float> padded_floats(const Value& value) {
  std::vector<float> all(padded_columns(static_cast<std::size_t>(element_count(value.shape))));
  auto position = all.begin();
  for (const Tensor& part : value.constant) {
    const std::vector<float> floats = to_float(part, value.name);
    position = std::copy(floats.begin(), floats.end(), position);
  }
  return all;
}

std::vector<float> row_scales(const Value& value) {
  const auto rows = static_cast<std::size_t>(value.shape[0]);
  const std::vector<float>& given = value.quant->scale;
  if (given.size() != 1 && given.size() != rows) {
    throw GraphError({.problem = "one scale a row is expected",
                      .name = value.name,
                      .expected = std::to_string(rows),
                      .actual = std::to_string(given.size())});
  }
  std::vector<float> scales(padded_columns(rows), 0.0F);
  for (std::size_t i = 0; i < rows; ++i) scales[i] = given.size() == 1 ? given[0] : given[i];
  return scales;
}

StackedRows::StackedRows(const Value& value) {
  if (value.constant.size() == 1) {
    data_ = value.constant[0].data<std::int8_t>();
    return;
  }
  for (const Tensor& part : value.constant) {
    const auto rows = part.data<std::int8_t>();
    copy_.insert(copy_.end(), rows.begin(), rows.end());
  }
  data_ = copy_;
}

void require_exact_depth(const Value& weight, std::int64_t depth) {
  constexpr std::int64_t kMaxDepth = 65793;  // beyond it s32 accumulation could overflow
  if (depth <= kMaxDepth) return;
  throw UnsupportedError({.problem = "too many inputs for exact 32-bit accumulation",
                          .name = weight.name,
                          .expected = "at most " + std::to_string(kMaxDepth),
                          .actual = std::to_string(depth)});
}

void release_source(const Value& value, const CompileOptions& options) {
  if (!options.release_source) return;
  for (const Tensor& part : value.constant) release_pages(part);
}

}  // namespace qe
