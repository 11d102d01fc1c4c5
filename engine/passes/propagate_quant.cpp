// Ops that move bytes without computing have one rendering on both sides: what is read takes the
// annotation of what is made, from the last node back.
#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace qe {

void propagate_quant(Graph& graph) {
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (!moves_bytes(node->op)) continue;
    const std::optional<QuantParams> made = graph.value(node->outputs[0]).quant;
    if (!made || made->dynamic) continue;
    for (const ValueId id : node->inputs) {
      Value& read = graph.value(id);
      if (!read.quant) read.quant = made;
    }
  }
}

}  // namespace qe
