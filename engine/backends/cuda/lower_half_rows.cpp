// Row-wise launches on halves.
#include <cuda_fp16.h>

#include <bit>
#include <cmath>
#include <utility>

#include <qe/error.h>

#include "engine/backends/constants.h"
#include "engine/backends/cuda/inputs.h"
#include "engine/backends/cuda/lower_half.h"
#include "engine/backends/cuda/norm_input.h"
#include "kernels/cuda/half_rows.h"

namespace qe::cuda {
namespace {

using kernels::cuda::Half;

class HalfEmbedStep : public LaunchStep {
 public:
  WeightRef word, position, type;
  int cols = 0;
  BufferRef y;

  int launch(const LaunchContext& context) const noexcept override {
    const RowCount rows = context.rows(false);
    return kernels::cuda::launch_embed(
        {.word = word.at<Half>(context.weights),
         .position = position.at<Half>(context.weights),
         .type = type.at<Half>(context.weights),
         .word_ids = context.input<std::int32_t>(context.layout.token_ids),
         .position_ids = context.input<std::int32_t>(context.layout.position_ids),
         .type_ids = context.input<std::int32_t>(context.layout.type_ids),
         .tokens = rows.capacity,
         .cols = cols,
         .out = y.first<Half>(context.arena),
         .ld_out = y.stride<Half>()},
        rows.actual, context.stream);
  }
};

class HalfNormStep : public LaunchStep {
 public:
  NormInput in;
  BufferRef y;

  int launch(const LaunchContext& context) const noexcept override {
    const RowCount rows = context.rows(in.per_sequence);
    kernels::cuda::HalfNormArgs args{};
    in.set<Half>(context, args);
    args.y = y.first<Half>(context.arena);
    args.ldy = y.stride<Half>();
    return kernels::cuda::launch_layer_norm(args, rows.actual, context.stream);
  }
};

Half half_of(float x, const std::string& name) {
  const __half rounded = __float2half_rn(x);
  if (std::isfinite(x) && !std::isfinite(__half2float(rounded))) {
    throw UnsupportedError({.problem = "a weight is too large for a half",
                            .name = name,
                            .expected = "less than 65520",
                            .actual = std::to_string(x)});
  }
  return std::bit_cast<Half>(rounded);
}

}  // namespace

WeightRef add_halves(const Value& value, std::int64_t rows, std::int64_t cols, std::int64_t ld,
                     LoweringContext& context) {
  const auto write = [&value, &options = context.input.options, rows, cols,
                      ld](std::span<std::byte> to) {
    const std::vector<float> floats = padded_floats(value);
    auto* const halves = reinterpret_cast<Half*>(to.data());
    for (std::int64_t row = 0; row < rows; ++row) {
      for (std::int64_t col = 0; col < cols; ++col) {
        halves[row * ld + col] =
            half_of(floats[static_cast<std::size_t>(row * cols + col)], value.name);
      }
    }
    release_source(value, options);
  };
  return context.weights.add(static_cast<std::size_t>(rows * ld) * sizeof(Half), write);
}

LoweredStep lower_half_embedding(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<HalfEmbedStep>();
  WeightRef* const tables[] = {&step->word, &step->position, &step->type};
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Value& value = context.value(node.inputs[i]);
    *tables[i] = add_halves(value, value.shape[0], value.shape[1], value.shape[1], context);
  }
  step->cols = context.width(node.outputs[0]);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "embed f16"}};
}

LoweredStep lower_half_layer_norm(const Node& node, LoweringContext& context) {
  auto step = std::make_unique<HalfNormStep>();
  step->in = NormInput(node, context);
  step->y = context.buffer(node.outputs[0]);
  return {std::move(step), {.name = {}, .kernel = "layer_norm f16"}};
}

}  // namespace qe::cuda
