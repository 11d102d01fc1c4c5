// Lowering to a GPU: each node of the final graph becomes one launch. This is the only place that
// chooses kernels for models.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <qe/gpu_options.h>

#include "engine/backends/cuda/buckets.h"
#include "engine/backends/cuda/product.h"
#include "engine/backends/cuda/weights.h"
#include "engine/runtime/memory_plan.h"
#include "engine/runtime/program.h"
#include "kernels/cuda/launch_stream.h"
#include "kernels/cuda/row_bytes_plan.h"

namespace qe::cuda {

// How many rows a launch has: at most, and in the GPU's memory.
struct RowCount {
  int capacity;
  const std::int32_t* actual;
};

// What a launch sees of the session that records it. Pointers lead to the GPU's memory.
struct LaunchContext {
  std::byte* arena;
  const std::byte* weights;
  const std::byte* inputs;  // as `layout` says
  const struct InputLayout& layout;
  Bucket bucket;
  const ProductKernels& products;
  std::byte* product_scratch;
  unsigned int* row_gates;  // of RowBytes, like the next
  float* row_largest;
  const class HalfProducts* half_products;  // null in a program without halves
  std::byte* half_workspace;
  kernels::cuda::LaunchStream stream;
  const GpuOptions& options;
  int* byte_head_launches = nullptr;  // of attention, counted where it is set

  template <class T>
  const T* input(std::size_t offset) const {
    return reinterpret_cast<const T*>(inputs + offset);
  }
  RowCount rows(bool per_sequence) const;
};

class LaunchStep {
 public:
  virtual ~LaunchStep() = default;
  // Enqueues its kernels in context.stream; see check_launch().
  virtual int launch(const LaunchContext& context) const noexcept = 0;
};

struct LoweringContext {
  const ProgramInput& input;
  std::size_t shared_bytes;  // of a block's shared memory, at most
  WeightPlan& weights;
  kernels::cuda::RowBytesScratch row_scratch = {};  // of the products lowered so far

  const Value& value(ValueId id) const { return input.graph.value(id); }
  BufferRef buffer(ValueId id) const { return input.memory.values.at(id); }
  BufferRef scale_buffer(ValueId id) const { return input.memory.scales.at(id); }
  BufferRef floor_buffer(ValueId id) const { return input.memory.floors.at(id); }
  bool per_sequence(ValueId id) const { return value(id).shape[0] == kSequences; }
  int width(ValueId id) const { return static_cast<int>(value(id).shape[1]); }
};

struct LoweredStep {
  std::unique_ptr<LaunchStep> step;
  StepInfo info;
};

// Throws UnsupportedError naming the node that has no kernel for a GPU.
LoweredStep lower(const Node& node, LoweringContext& context);

// Row-wise ones in lower_rows.cpp, each of the others in the file of its name.
LoweredStep lower_embedding(const Node& node, LoweringContext& context);
LoweredStep lower_layer_norm(const Node& node, LoweringContext& context);
LoweredStep lower_quantize(const Node& node, LoweringContext& context);
LoweredStep lower_select_first(const Node& node, LoweringContext& context);
LoweredStep lower_linear(const Node& node, LoweringContext& context);
LoweredStep lower_attention(const Node& node, LoweringContext& context);

// `problem`: what of the node has no kernel.
[[noreturn]] void refuse(const Node& node, const std::string& problem);

}  // namespace qe::cuda
