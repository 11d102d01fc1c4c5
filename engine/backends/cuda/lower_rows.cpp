// Row-wise launches: embedding, layer norm, quantization, selection. Rows are tokens or sequences,
// as the values' shapes say.
#include "engine/backends/constants.h"
#include "engine/backends/cuda/inputs.h"
#include "engine/backends/cuda/lower.h"
#include "engine/backends/cuda/norm_input.h"
#include "engine/backends/cuda/row_bytes_pair.h"
#include "kernels/cuda/half_rows.h"

namespace qe::cuda {
namespace {

// A quantized value: its bytes, and how they are found.
struct ByteOutput {
  BufferRef q, scale, floor;
  kernels::RowScheme scheme = kernels::RowScheme::kStatic;
  float known_floor = 0, inv_scale = 0, zero_point = 0;

  ByteOutput() = default;
  ByteOutput(ValueId id, const LoweringContext& context) : q(context.buffer(id)) {
    const QuantParams& quant = *context.value(id).quant;
    if (!quant.dynamic) {
      inv_scale = 1.0F / quant.scale.at(0);
      zero_point = static_cast<float>(quant.zero_point.at(0));
      return;
    }
    scale = context.scale_buffer(id);
    if (has_row_floors(quant)) {
      scheme = kernels::RowScheme::kOwnFloor;
      floor = context.floor_buffer(id);
    } else {
      scheme = kernels::RowScheme::kKnownFloor;
      known_floor = *quant.floor;
    }
  }
  float* scales(const LaunchContext& context) const {
    return scheme == kernels::RowScheme::kStatic ? nullptr : scale.first<float>(context.arena);
  }
  float* floors(const LaunchContext& context) const {
    return scheme == kernels::RowScheme::kOwnFloor ? floor.first<float>(context.arena) : nullptr;
  }
};

class EmbedStep : public LaunchStep {
 public:
  struct Table {
    WeightRef rows, scale;
    kernels::EmbeddingTable in(const LaunchContext& context) const {
      return {rows.at<std::int8_t>(context.weights), scale.at<float>(context.weights)};
    }
  };
  Table word, position, type;
  int cols = 0;
  BufferRef y;

  int launch(const LaunchContext& context) const noexcept override {
    const RowCount rows = context.rows(false);
    return kernels::cuda::launch_embed(
        {.word = word.in(context),
         .position = position.in(context),
         .type = type.in(context),
         .word_ids = context.input<std::int32_t>(context.layout.token_ids),
         .position_ids = context.input<std::int32_t>(context.layout.position_ids),
         .type_ids = context.input<std::int32_t>(context.layout.type_ids),
         .tokens = rows.capacity,
         .cols = cols,
         .out = y.first<float>(context.arena),
         .ld_out = y.stride<float>()},
        rows.actual, context.stream);
  }
};

class LayerNormStep : public LaunchStep {
 public:
  NormInput in;
  bool has_y = false, has_q = false;
  BufferRef y;
  ByteOutput out;

  int launch(const LaunchContext& context) const noexcept override {
    const RowCount rows = context.rows(in.per_sequence);
    kernels::LayerNormArgs args{};
    in.set<float>(context, args);
    if (has_y) {
      args.y = y.first<float>(context.arena);
      args.ldy = y.stride<float>();
    }
    if (has_q) {
      args.q = out.q.first<std::uint8_t>(context.arena);
      args.ldq = out.q.row_bytes;
      args.scale = out.scales(context);
      args.floor = out.floors(context);
      args.inv_scale = out.inv_scale;
      args.zero_point = out.zero_point;
    }
    return kernels::cuda::launch_layer_norm(args, rows.actual, context.stream);
  }
};

class QuantizeStep : public LaunchStep {
 public:
  int cols = 0;
  bool per_sequence = false;
  BufferRef x;
  ByteOutput out;
  std::optional<RowBytesPair> pair;

  int launch(const LaunchContext& context) const noexcept override {
    const RowCount rows = context.rows(per_sequence);
    if (pair && pair->choice(context, rows.capacity)) return 0;  // the product has done it
    return kernels::cuda::launch_quantize_rows({.x = x.first<float>(context.arena),
                                                .ldx = x.stride<float>(),
                                                .rows = rows.capacity,
                                                .cols = cols,
                                                .q = out.q.first<std::uint8_t>(context.arena),
                                                .ldq = out.q.row_bytes,
                                                .scheme = out.scheme,
                                                .scale = out.scales(context),
                                                .floor = out.floors(context),
                                                .known_floor = out.known_floor,
                                                .inv_scale = out.inv_scale,
                                                .zero_point = out.zero_point},
                                               rows.actual, context.stream);
  }
};

// T: float or Half.
template <class T>
class SelectFirstStep : public LaunchStep {
 public:
  int cols = 0;
  BufferRef x, y;

  int launch(const LaunchContext& context) const noexcept override {
    const RowCount rows = context.rows(true);
    return kernels::cuda::launch_select_rows(
        kernels::cuda::SelectRows<T>{.x = x.first<T>(context.arena),
                                     .ldx = x.stride<T>(),
                                     .rows = context.input<std::int32_t>(context.layout.offsets),
                                     .count = rows.capacity,
                                     .cols = cols,
                                     .y = y.first<T>(context.arena),
                                     .ldy = y.stride<T>()},
        rows.actual, context.stream);
  }
};

template <class T>
LoweredStep select_first(const Node& node, const LoweringContext& context, const char* kernel) {
  auto step = std::make_unique<SelectFirstStep<T>>();
  step->cols = context.width(node.inputs[0]);
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = kernel}};
}

// The table's bytes are read from the model's tensor when they are uploaded; then the file's pages
// can go.
EmbedStep::Table table_of(const Value& value, LoweringContext& context) {
  const auto bytes = static_cast<std::size_t>(element_count(value.shape));
  const auto write = [&value, &options = context.input.options](std::span<std::byte> to) {
    std::memcpy(to.data(), StackedRows(value).data(), to.size());
    release_source(value, options);
  };
  return {.rows = context.weights.add(bytes, write),
          .scale = context.weights.add(row_scales(value))};
}

}  // namespace

LoweredStep lower_embedding(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<EmbedStep>();
  EmbedStep::Table* const tables[] = {&step->word, &step->position, &step->type};
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Value& value = context.value(node.inputs[i]);
    if (value.dtype != DType::kI8 || !value.quant) refuse(node, "an embedding table of floats");
    *tables[i] = table_of(value, context);
  }
  step->cols = context.width(node.outputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "embed s8 -> f32"}};
}

LoweredStep lower_layer_norm(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<LayerNormStep>();
  step->in = NormInput(node, context);
  step->has_y = node.outputs[0] != kNoValue;
  if (step->has_y) step->y = context.buffer(node.outputs[0]);
  step->has_q = node.outputs.size() == 2;
  if (step->has_q) step->out = ByteOutput(node.outputs[1], context);
  return {
      std::move(step),
      {.name = {}, .kernel = node.outputs.size() == 2 ? "layer_norm + quantize" : "layer_norm"}};
}

LoweredStep lower_quantize(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<QuantizeStep>();
  step->cols = context.width(node.inputs[0]);
  step->per_sequence = context.per_sequence(node.inputs[0]);
  step->x = context.buffer(node.inputs[0]);
  step->out = ByteOutput(node.outputs[0], context);
  step->pair = row_bytes_pair(node, context);
  const char* const kernel = step->pair ? "quantize rows, many in the product" : "quantize rows";
  return {std::move(step), {.name = {}, .kernel = kernel}};
}

LoweredStep lower_select_first(const Node& node, LoweringContext& context) {
  if (context.value(node.inputs[0]).dtype == DType::kF16) {
    return select_first<kernels::cuda::Half>(node, context, "copy first rows f16");
  }
  return select_first<float>(node, context, "copy first rows");
}

}  // namespace qe::cuda
