// Values that must share a scale form classes; a class takes the statistics of all its values
// together.
#include "engine/quant/map_ranges.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <vector>

#include "engine/passes/integer_nodes.h"
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

#include <qe/error.h>

namespace qe {
namespace {

const Histogram& statistics(const Calibration& calibration, const std::string& value) {
  const auto it = calibration.find(value);
  if (it == calibration.end() || it->second.count() == 0) {
    throw UsageError({.problem = "the calibration has no statistics of a value", .name = value});
  }
  return it->second;
}

class Classes {
 public:
  explicit Classes(const Graph& graph) : parent_(graph.values.size()) {
    std::iota(parent_.begin(), parent_.end(), ValueId{0});
    for (const Node& node : graph.nodes) {
      if (!moves_bytes(node.op)) continue;
      for (const ValueId id : node.inputs) unite(id, node.outputs[0]);
    }
  }
  ValueId of(ValueId id) const {
    while (parent_[static_cast<std::size_t>(id)] != id) id = parent_[static_cast<std::size_t>(id)];
    return id;
  }

 private:
  void unite(ValueId a, ValueId b) { parent_[static_cast<std::size_t>(of(a))] = of(b); }
  std::vector<ValueId> parent_;
};

// Sums that a table of 256 bytes reads.
std::set<std::string> sums_before_tables(const Graph& graph) {
  std::set<std::string> names;
  for (const Node& node : graph.nodes) {
    const auto* const op = std::get_if<ActivationOp>(&node.op);
    if (op != nullptr && by_table(op->kind) && is_map(graph.value(node.inputs[0]))) {
      names.insert(graph.value(node.inputs[0]).name);
    }
  }
  return names;
}

QuantParams params_of(const Range& range, bool symmetric) {
  const float steps = symmetric ? 254.0F : 255.0F;
  const float step = (range.maximum - range.minimum) / steps;
  const float scale = step >= 0x1p-100F ? step : 1.0F;
  const float zero_point =
      symmetric ? 128.0F : std::clamp(std::nearbyint(-range.minimum / scale), 0.0F, 255.0F);
  return {.storage = DType::kU8,
          .granularity = Granularity::kTensor,
          .scale = {scale},
          .zero_point = {static_cast<std::int32_t>(zero_point)}};
}

// Percentiles count values, and one image that a network explodes on brings thousands of them: what
// lies beyond twice the mean of the images' extremes is cut as well.
Range without_exploded(const Range& range, const Range& average) {
  return {.minimum = std::max(range.minimum, 2.0F * average.minimum),
          .maximum = std::min(range.maximum, 2.0F * average.maximum)};
}

// What the values of a class were seen to be.
class Together {
 public:
  void add(const Histogram& one) {
    all_.merge(one);
    const Range range = one.range(RangeObserver::kAverage, false);
    widest_average_.minimum = std::min(widest_average_.minimum, range.minimum);
    widest_average_.maximum = std::max(widest_average_.maximum, range.maximum);
  }
  // A mean over different values would cut the widest of them.
  Range range(RangeObserver observer) const {
    if (observer == RangeObserver::kAverage) return widest_average_;
    const Range range = all_.range(observer, false);
    if (observer != RangeObserver::kPercentile) return range;
    return without_exploded(range, widest_average_);
  }

 private:
  Histogram all_;
  Range widest_average_ = {0.0F, 0.0F};
};

}  // namespace

QuantParams static_params(const Calibration& calibration, const std::string& value,
                          RangeObserver observer, bool symmetric) {
  return params_of(statistics(calibration, value).range(observer, symmetric), symmetric);
}

std::map<std::string, QuantParams> map_scales(const Graph& folded, const Calibration& calibration,
                                              RangeObserver observer) {
  std::map<std::string, QuantParams> scales;
  for (const std::string& name : sums_before_tables(folded)) {
    Together alone;
    alone.add(statistics(calibration, name));
    scales[name] = params_of(alone.range(observer), false);
  }
  Graph fused = folded;
  fuse_post_ops(fused);
  const Classes classes(fused);
  std::map<ValueId, Together> together;
  std::vector<ValueId> stored;
  for (const Node& node : fused.nodes) {
    const ValueId id = node.outputs[0];
    if (!is_map(fused.value(id)) || std::holds_alternative<ImageOp>(node.op)) continue;
    stored.push_back(id);
    together[classes.of(id)].add(statistics(calibration, fused.value(id).name));
  }
  for (const ValueId id : stored) {
    scales[fused.value(id).name] = params_of(together.at(classes.of(id)).range(observer), false);
  }
  return scales;
}

}  // namespace qe
