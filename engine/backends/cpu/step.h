// Step: one kernel invocation of a plan, bound to packed weights and arena buffers. Immutable;
// a session's team runs each step in parts, and the next one when all of them are done.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "engine/runtime/memory_plan.h"
#include "engine/runtime/program.h"
#include "kernels/kernel_table.h"

namespace qe {

// What a step sees of the running session. Rows are tokens or sequences, as the step's group says.
struct StepContext {
  const RunInputs& inputs;
  const kernels::KernelTable& table;
  std::byte* arena;
  std::byte* scratch;  // of this part
  int part;            // which share of the step this is, of how many
  int parts;
  int library_threads;  // for the float library, where the session has no other thread
  int row_begin;        // the block of rows to work on
  int row_end;
  std::span<const std::int8_t> next_weights;  // that this part reads in a later step

  int rows() const { return row_end - row_begin; }
};

class Step {
 public:
  virtual ~Step() = default;
  virtual void run(const StepContext& context) const noexcept = 0;
  // Packed weights that this part reads; empty where there are none to stream.
  virtual std::span<const std::int8_t> weights(const StepContext&) const noexcept { return {}; }
};

}  // namespace qe
