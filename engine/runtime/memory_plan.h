// Memory planning: which steps form row-blocked groups, which rows each value keeps, and where in
// the one arena it lies, so that values alive at the same time never overlap.
#pragma once

#include <map>
#include <vector>

#include "engine/runtime/plan_impl.h"

namespace qe {

struct MemoryPlan {
  std::vector<StepGroup> groups;
  std::vector<ArenaBuffer> buffers;
  std::map<ValueId, BufferRef> values;
  std::map<ValueId, BufferRef> scales;  // row scales of dynamically quantized values
  std::map<ValueId, BufferRef> floors;  // row floors, where they have them
  std::size_t arena_bytes = 0;
};

MemoryPlan plan_memory(const Graph& graph, const CompileOptions& options);

}  // namespace qe
