// Row-wise steps: embedding, layer norm, quantization, selection and the float leftovers that no
// epilogue took in. Threads split the rows.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "engine/backends/cpu/lower.h"
#include "engine/backends/cpu/maps.h"

#include <qe/error.h>

namespace qe::cpu {
namespace {

// This part's rows of the block, as absolute row numbers.
Part own_rows(const StepContext& context) {
  const Part part = split(context.rows(), context.parts, context.part, 1);
  return {context.row_begin + part.begin, context.row_begin + part.end};
}

// Elements of a row; a row of a feature map is a whole image.
int width(const LoweringContext& context, ValueId id) {
  const Shape& shape = context.graph.value(id).shape;
  return static_cast<int>(element_count(Shape(shape.begin() + 1, shape.end())));
}

class EmbedInt8Step : public Step {
 public:
  kernels::EmbeddingTable word, position, type;
  std::vector<Tensor> keep_alive;
  int cols = 0;
  BufferRef y;

  void run(const StepContext& context) const noexcept override {
    const Part rows = own_rows(context);
    if (rows.begin == rows.end) return;
    context.table.embed({.word = word,
                         .position = position,
                         .type = type,
                         .word_ids = context.inputs.token_ids + rows.begin,
                         .position_ids = context.inputs.position_ids + rows.begin,
                         .type_ids = context.inputs.type_ids + rows.begin,
                         .tokens = rows.end - rows.begin,
                         .cols = cols,
                         .out = y.at<float>(context, rows.begin),
                         .ld_out = y.stride<float>()});
  }
};

// A table read row by row in the form it is stored in.
class StoredRows {
 public:
  explicit StoredRows(const Value& value) : tensor_(value.constant.at(0)) {
    if (value.quant) scales_ = row_scales(value);
  }
  void add_row(std::int32_t row, std::span<float> out) const noexcept {
    add_row_to(tensor_, row, scales_.empty() ? 1.0F : scales_[static_cast<std::size_t>(row)], out);
  }

 private:
  Tensor tensor_;
  std::vector<float> scales_;
};

class EmbedF32Step : public Step {
 public:
  std::vector<StoredRows> tables;
  int cols = 0;
  BufferRef y;

  void run(const StepContext& context) const noexcept override {
    const Part rows = own_rows(context);
    const std::array ids = {context.inputs.token_ids, context.inputs.position_ids,
                            context.inputs.type_ids};
    for (int r = rows.begin; r < rows.end; ++r) {
      float* const out = y.at<float>(context, r);
      std::fill(out, out + cols, 0.0F);
      for (std::size_t t = 0; t < std::min(tables.size(), ids.size()); ++t)
        tables[t].add_row(ids[t][r], {out, static_cast<std::size_t>(cols)});
    }
  }
};

class LayerNormStep : public Step {
 public:
  const float* gamma = nullptr;
  const float* beta = nullptr;
  float epsilon = 0;
  int cols = 0;
  bool has_y = false, has_q = false, dynamic = true;
  float inv_scale = 0, zero_point = 0;
  BufferRef x, y, q, q_scale, q_floor;

  void run(const StepContext& context) const noexcept override {
    const Part rows = own_rows(context);
    if (rows.begin == rows.end) return;
    kernels::LayerNormArgs args{};
    args.x = x.at<float>(context, rows.begin);
    args.ldx = x.stride<float>();
    args.rows = rows.end - rows.begin;
    args.cols = cols;
    args.gamma = gamma;
    args.beta = beta;
    args.epsilon = epsilon;
    if (has_y) {
      args.y = y.at<float>(context, rows.begin);
      args.ldy = y.stride<float>();
    }
    if (has_q) {
      args.q = q.at<std::uint8_t>(context, rows.begin);
      args.ldq = q.row_bytes;
      args.inv_scale = inv_scale;
      args.zero_point = zero_point;
      if (dynamic) {
        args.scale = q_scale.at<float>(context, rows.begin);
        args.floor = q_floor.at<float>(context, rows.begin);
      }
    }
    context.table.layer_norm(args);
  }
};

class QuantizeStep : public Step {
 public:
  int cols = 0;
  kernels::RowScheme scheme = kernels::RowScheme::kOwnFloor;
  float known_floor = 0, inv_scale = 0, zero_point = 0;
  BufferRef x, q, q_scale, q_floor;

  void run(const StepContext& context) const noexcept override {
    const Part rows = own_rows(context);
    if (rows.begin == rows.end) return;
    kernels::QuantizeRowsArgs args{.x = x.at<float>(context, rows.begin),
                                   .ldx = x.stride<float>(),
                                   .rows = rows.end - rows.begin,
                                   .cols = cols,
                                   .q = q.at<std::uint8_t>(context, rows.begin),
                                   .ldq = q.row_bytes,
                                   .scheme = scheme,
                                   .known_floor = known_floor,
                                   .inv_scale = inv_scale,
                                   .zero_point = zero_point};
    if (scheme != kernels::RowScheme::kStatic) args.scale = q_scale.at<float>(context, rows.begin);
    if (scheme == kernels::RowScheme::kOwnFloor) {
      args.floor = q_floor.at<float>(context, rows.begin);
    }
    context.table.quantize_rows(args);
  }
};

// A feature map from dense floats to bytes, pixel by pixel.
class QuantizeMapStep : public Step {
 public:
  MapShape shape;
  float inv_scale = 0, zero_point = 0;
  BufferRef x, q;

  void run(const StepContext& context) const noexcept override {
    for_own_rows(context, shape.pixels(), [&](int image, int begin, int end) {
      context.table.quantize_rows({.x = pixel<float>(x, context, image, begin),
                                   .ldx = shape.channels,
                                   .rows = end - begin,
                                   .cols = shape.channels,
                                   .q = pixel<std::uint8_t>(q, context, image, begin),
                                   .ldq = q.pixel_bytes,
                                   .scheme = kernels::RowScheme::kStatic,
                                   .inv_scale = inv_scale,
                                   .zero_point = zero_point});
    });
  }
};

class SelectFirstStep : public Step {
 public:
  int cols = 0;
  BufferRef x, y;

  void run(const StepContext& context) const noexcept override {
    const Part part = split(context.inputs.sequences, context.parts, context.part, 1);
    for (int s = part.begin; s < part.end; ++s) {
      std::memcpy(y.at<float>(context, s), x.at<float>(context, context.inputs.offsets[s]),
                  static_cast<std::size_t>(cols) * sizeof(float));
    }
  }
};

// out = activation(a) + b for what stayed a node of its own.
class ElementwiseStep : public Step {
 public:
  int cols = 0;
  Activation activation = Activation::kNone;
  bool has_b = false;
  BufferRef a, b, y;

  void run(const StepContext& context) const noexcept override {
    const Part rows = own_rows(context);
    for (int r = rows.begin; r < rows.end; ++r) {
      float* const out = y.at<float>(context, r);
      std::memmove(out, a.at<float>(context, r), static_cast<std::size_t>(cols) * sizeof(float));
      kernels::BiasActivationArgs args{};
      args.x = out;
      args.rows = 1;
      args.cols = cols;
      args.activation = activation;
      args.residual = has_b ? b.at<float>(context, r) : nullptr;
      context.table.bias_activation(args);
    }
  }
};

kernels::EmbeddingTable int8_table(const Value& value, LoweringContext& context) {
  return {value.constant.at(0).data<std::int8_t>().data(), store(row_scales(value), context)};
}

void set_static(const QuantParams& quant, float& inv_scale, float& zero_point) {
  inv_scale = 1.0F / quant.scale.at(0);
  zero_point = static_cast<float>(quant.zero_point.at(0));
}

}  // namespace

LoweredStep lower_embedding(const Node& node, LoweringContext& context) {
  const int cols = width(context, node.outputs[0]);
  const BufferRef y = context.buffer(node.outputs[0]);
  bool all_int8 = true;
  for (const ValueId id : node.inputs) {
    const Value& value = context.graph.value(id);
    all_int8 = all_int8 && value.dtype == DType::kI8 && value.quant.has_value();
  }
  if (all_int8) {
    auto step = std::make_unique<EmbedInt8Step>();
    kernels::EmbeddingTable* const tables[] = {&step->word, &step->position, &step->type};
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Value& value = context.graph.value(node.inputs[i]);
      *tables[i] = int8_table(value, context);
      step->keep_alive.push_back(value.constant.at(0));
    }
    step->cols = cols;
    step->y = y;
    return {std::move(step), {.name = {}, .kernel = "embed s8 -> f32"}};
  }
  auto step = std::make_unique<EmbedF32Step>();
  for (const ValueId id : node.inputs) step->tables.emplace_back(context.graph.value(id));
  step->cols = cols;
  step->y = y;
  return {std::move(step), {.name = {}, .kernel = "embed -> f32"}};
}

LoweredStep lower_layer_norm(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<LayerNormStep>();
  step->gamma = store_floats(context.graph.value(node.inputs[1]), context);
  step->beta = store_floats(context.graph.value(node.inputs[2]), context);
  step->epsilon = std::get<LayerNormOp>(node.op).epsilon;
  step->cols = width(context, node.inputs[0]);
  step->x = context.buffer(node.inputs[0]);
  step->has_y = node.outputs[0] != kNoValue;
  if (step->has_y) step->y = context.buffer(node.outputs[0]);
  std::string kernel = "layer_norm";
  if (node.outputs.size() == 2) {
    const Value& out = context.graph.value(node.outputs[1]);
    step->has_q = true;
    step->q = context.buffer(node.outputs[1]);
    step->dynamic = out.quant->dynamic;
    if (step->dynamic) {
      step->q_scale = context.scale_buffer(node.outputs[1]);
      step->q_floor = context.floor_buffer(node.outputs[1]);
    } else {
      set_static(*out.quant, step->inv_scale, step->zero_point);
    }
    kernel += " + quantize";
  }
  return {std::move(step), {.name = {}, .kernel = kernel}};
}

LoweredStep lower_quantize_map(const Node& node, LoweringContext& context) {
  const Value& out = context.graph.value(node.outputs[0]);
  auto step = std::make_unique<QuantizeMapStep>();
  step->shape = map_shape(out);
  step->inv_scale = 1.0F / byte_scale(out).scale;
  step->zero_point = byte_scale(out).zero_point;
  step->x = context.buffer(node.inputs[0]);
  step->q = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "quantize map by given ranges"}};
}

LoweredStep lower_quantize(const Node& node, LoweringContext& context) {
  if (is_map(context.graph.value(node.outputs[0]))) return lower_quantize_map(node, context);
  auto step = std::make_unique<QuantizeStep>();
  step->cols = width(context, node.inputs[0]);
  step->x = context.buffer(node.inputs[0]);
  step->q = context.buffer(node.outputs[0]);
  const QuantParams& quant = *context.graph.value(node.outputs[0]).quant;
  std::string kernel = "quantize rows";
  if (!quant.dynamic) {
    step->scheme = kernels::RowScheme::kStatic;
    set_static(quant, step->inv_scale, step->zero_point);
    kernel += " by given ranges";
  } else {
    step->q_scale = context.scale_buffer(node.outputs[0]);
    if (has_row_floors(quant)) {
      step->q_floor = context.floor_buffer(node.outputs[0]);
    } else {
      step->scheme = kernels::RowScheme::kKnownFloor;
      step->known_floor = *quant.floor;
      kernel += " above a known floor";
    }
  }
  return {std::move(step), {.name = {}, .kernel = kernel}};
}

LoweredStep lower_select_first(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<SelectFirstStep>();
  step->cols = width(context, node.inputs[0]);
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "copy first rows"}};
}

LoweredStep lower_add(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<ElementwiseStep>();
  step->cols = width(context, node.outputs[0]);
  step->a = context.buffer(node.inputs[0]);
  step->b = context.buffer(node.inputs[1]);
  step->has_b = true;
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "add f32"}};
}

LoweredStep lower_activation(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<ElementwiseStep>();
  step->cols = width(context, node.outputs[0]);
  step->activation = std::get<ActivationOp>(node.op).kind;
  step->a = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "activation f32"}};
}

}  // namespace qe::cpu
