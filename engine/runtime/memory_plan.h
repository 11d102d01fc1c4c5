// Memory planning: which steps form row-blocked groups, which rows each value keeps, and where in
// the one arena it lies, so that values alive at the same time never overlap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include <qe/plan.h>

namespace qe {

// Where a value lives. A blocked buffer holds only the rows of the current block. A row of feature
// maps is an image; its pixels lie pixel_bytes apart.
struct BufferRef {
  std::size_t offset = 0;
  std::ptrdiff_t row_bytes = 0;
  bool blocked = false;
  std::ptrdiff_t pixel_bytes = 0;

  // Of a buffer that is not blocked.
  template <typename T>
  T* first(std::byte* arena) const {
    return reinterpret_cast<T*>(arena + offset);
  }
  // Row `row` (counted from the first row of the run). A context has the arena and the first row of
  // the current block.
  template <typename Context>
  std::byte* row(const Context& context, int row) const {
    const int local = blocked ? row - context.row_begin : row;
    return context.arena + offset + local * row_bytes;
  }
  template <typename T, typename Context>
  T* at(const Context& context, int row_index) const {
    return reinterpret_cast<T*>(row(context, row_index));
  }
  template <typename T>
  std::ptrdiff_t stride() const {
    return row_bytes / static_cast<std::ptrdiff_t>(sizeof(T));
  }
};

// Consecutive steps that work row by row over the same rows: they run block of rows after block of
// rows, so that what they hand to each other stays in the L2 cache.
struct StepGroup {
  int first = 0;
  int last = 0;                 // inclusive
  std::int64_t rows = kTokens;  // kTokens or kSequences
  bool blocked = false;
};

// Rows of a block: big enough that streaming the weights again for every block costs little, small
// enough that a block's widest f32 row fits the L2 caches of two cores.
inline constexpr int kBlockRows = 192;

struct MemoryPlan {
  std::vector<StepGroup> groups;
  std::vector<ArenaBuffer> buffers;
  std::map<ValueId, BufferRef> values;
  std::map<ValueId, BufferRef> scales;  // row scales of dynamically quantized values
  std::map<ValueId, BufferRef> floors;  // row floors, where they have them
  std::size_t arena_bytes = 0;
};

// On a GPU every step is a group of its own and every value keeps all its rows: a step there must
// have as many rows as it can get. What a quantization makes there of a linear layer's rows lives
// from that layer on.
MemoryPlan plan_memory(const Graph& graph, const CompileOptions& options);

}  // namespace qe
