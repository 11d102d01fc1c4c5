// Lowering to the CPU: each node of the final graph becomes one step, with its weights converted or
// packed for the kernels. This is the only place that chooses kernels.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/backends/constants.h"
#include "engine/backends/cpu/step.h"
#include "engine/runtime/aligned_buffer.h"
#include "engine/runtime/thread_pool.h"

#include <qe/plan.h>

namespace qe::cpu {

// Packed weights of a plan: few large blocks, 64-byte aligned pieces, never moved.
class WeightStore {
 public:
  template <typename T>
  T* allocate(std::size_t count) {
    return reinterpret_cast<T*>(allocate_bytes(count * sizeof(T)));
  }
  std::size_t bytes() const { return used_; }

 private:
  std::byte* allocate_bytes(std::size_t bytes);
  std::vector<AlignedBuffer> blocks_;
  std::size_t position_ = 0;  // in the last block
  std::size_t used_ = 0;
};

struct LoweringContext {
  const Graph& graph;
  const CompileOptions& options;
  const kernels::KernelTable& table;
  WeightStore& weights;
  ThreadPool& pool;
  // The buffers of a value: its elements, and of a dynamically quantized one the scales of its rows
  // and, where has_row_floors(), their floors.
  std::function<BufferRef(ValueId)> buffer;
  std::function<BufferRef(ValueId)> scale_buffer;
  std::function<BufferRef(ValueId)> floor_buffer;
  int max_sequence;                      // longest sequence of a run
  std::size_t library_weight_bytes = 0;  // grows by what the float library keeps outside `weights`
  std::size_t scratch_bytes = 0;         // grows to what the steps need, per part
};

struct LoweredStep {
  std::unique_ptr<Step> step;
  StepInfo info;
};

LoweredStep lower(const Node& node, LoweringContext& context);

// Row-wise ones in rows.cpp, each of the others in the file of its name.
LoweredStep lower_embedding(const Node& node, LoweringContext& context);
LoweredStep lower_layer_norm(const Node& node, LoweringContext& context);
LoweredStep lower_quantize(const Node& node, LoweringContext& context);
LoweredStep lower_select_first(const Node& node, LoweringContext& context);
LoweredStep lower_add(const Node& node, LoweringContext& context);
LoweredStep lower_activation(const Node& node, LoweringContext& context);
LoweredStep lower_linear_int8(const Node& node, LoweringContext& context);
LoweredStep lower_linear_f32(const Node& node, LoweringContext& context);
LoweredStep lower_attention_int8(const Node& node, LoweringContext& context);
LoweredStep lower_attention_f32(const Node& node, LoweringContext& context);
LoweredStep lower_conv_f32(const Node& node, LoweringContext& context);
LoweredStep lower_conv_int8(const Node& node, LoweringContext& context);
LoweredStep lower_depthwise_int8(const Node& node, LoweringContext& context);

// Feature maps, in maps_f32.cpp and maps_int8.cpp.
LoweredStep lower_image_f32(const Node& node, LoweringContext& context);
LoweredStep lower_image_bytes(const Node& node, LoweringContext& context);
LoweredStep lower_max_pool_f32(const Node& node, LoweringContext& context);
LoweredStep lower_max_pool_int8(const Node& node, LoweringContext& context);
LoweredStep lower_global_average_pool_f32(const Node& node, LoweringContext& context);
LoweredStep lower_global_average_pool_int8(const Node& node, LoweringContext& context);
LoweredStep lower_concat_f32(const Node& node, LoweringContext& context);
LoweredStep lower_concat_int8(const Node& node, LoweringContext& context);
LoweredStep lower_scale_channels_f32(const Node& node, LoweringContext& context);
LoweredStep lower_scale_channels_int8(const Node& node, LoweringContext& context);
LoweredStep lower_pad_channels_f32(const Node& node, LoweringContext& context);
LoweredStep lower_pad_channels_int8(const Node& node, LoweringContext& context);
LoweredStep lower_add_int8(const Node& node, LoweringContext& context);
LoweredStep lower_patch_tokens(const Node& node, LoweringContext& context);

template <typename T>
T* store(const std::vector<T>& elements, LoweringContext& context) {
  T* const stored = context.weights.allocate<T>(elements.size());
  std::copy(elements.begin(), elements.end(), stored);
  return stored;
}
// A constant's elements as float in the store, padded with zeros to a multiple of 16.
float* store_floats(const Value& value, LoweringContext& context);
// Integers as the reals they stand for, in place: one scale, one a row, or one a pair of output and
// input channel. Nothing where the constant is float.
void dequantize(const Value& value, std::span<float> elements);

// Multiply-adds of a convolution for one image.
std::int64_t conv_macs(const Graph& graph, const Node& node);

// Throws UnsupportedError where this build has no float products.
void require_float_products(const Node& node);

}  // namespace qe::cpu
