// Step: one kernel invocation of a plan, bound to packed weights and arena buffers. Immutable;
// every thread of a session runs each step for its own part, with a barrier between steps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "kernels/kernel_table.h"

#include <qe/graph.h>

namespace qe {

struct RunInputs {
  const std::int32_t* token_ids = nullptr;
  const std::int32_t* type_ids = nullptr;
  const std::int32_t* position_ids = nullptr;
  const std::int32_t* offsets = nullptr;  // [sequences + 1]
  const std::uint8_t* pixels = nullptr;   // [sequences][height][width][3]
  int tokens = 0;
  int sequences = 0;
};

// What a step sees of the running session. Rows are tokens or sequences, as the step's group says.
struct StepContext {
  const RunInputs& inputs;
  const kernels::KernelTable& table;
  std::byte* arena;
  std::byte* scratch;  // this thread's own
  int thread;
  int threads;
  int library_threads;  // for the float library, where this step's calling thread is the only one
  int row_begin;        // the block of rows to work on
  int row_end;

  int rows() const { return row_end - row_begin; }
};

// Where a value lives. A blocked buffer holds only the rows of the current block. A row of feature
// maps is an image; its pixels lie pixel_bytes apart.
struct BufferRef {
  std::size_t offset = 0;
  std::ptrdiff_t row_bytes = 0;
  bool blocked = false;
  std::ptrdiff_t pixel_bytes = 0;

  // Row `row` (counted from the first row of the run).
  std::byte* row(const StepContext& context, int row) const {
    const int local = blocked ? row - context.row_begin : row;
    return context.arena + offset + local * row_bytes;
  }
  template <typename T>
  T* at(const StepContext& context, int row_index) const {
    return reinterpret_cast<T*>(row(context, row_index));
  }
  template <typename T>
  std::ptrdiff_t stride() const {
    return row_bytes / static_cast<std::ptrdiff_t>(sizeof(T));
  }
};

class Step {
 public:
  virtual ~Step() = default;
  virtual void run(const StepContext& context) const noexcept = 0;
};

}  // namespace qe
