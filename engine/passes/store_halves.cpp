// Decided for the whole graph: no kernel reads halves and writes bytes.
#include "engine/passes/store_halves.h"

#include <algorithm>

namespace qe {

void store_halves(Graph& graph) {
  const bool other = std::any_of(graph.values.begin(), graph.values.end(), [](const Value& value) {
    return value.quant.has_value() || is_map(value);
  });
  if (other) return;
  for (const Node& node : graph.nodes) {
    for (const ValueId id : node.outputs) {
      if (id != kNoValue && id != graph.output) graph.value(id).dtype = DType::kF16;
    }
  }
}

}  // namespace qe
