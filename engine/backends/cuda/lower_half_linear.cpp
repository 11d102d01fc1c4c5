// Linear layers in halves: cuBLASLt's product, and a pass of our own for what it cannot end with.
#include <optional>
#include <utility>

#include "engine/backends/constants.h"
#include "engine/backends/cuda/half_product.h"
#include "engine/backends/cuda/lower_half.h"
#include "kernels/cuda/half_rows.h"

namespace qe::cuda {
namespace {

using kernels::cuda::Half;

constexpr int kRowElements = 8;  // rows of weights begin at multiples of as many

class HalfLinearStep : public LaunchStep {
 public:
  HalfProduct product;  // but for places and rows
  bool per_sequence = false;
  WeightRef weight, bias;
  BufferRef x, y;
  std::optional<BufferRef> residual;
  // After the product; kNone: it ends with everything.
  Activation activation = Activation::kNone;

  int launch(const LaunchContext& context) const noexcept override {
    const RowCount rows = context.rows(per_sequence);
    const bool after = activation != Activation::kNone;
    HalfProduct call = product;
    call.m = rows.capacity;
    call.x = x.first<Half>(context.arena);
    call.w = weight.at<Half>(context.weights);
    call.bias = bias.at<std::byte>(context.weights);
    call.y = y.first<std::byte>(context.arena);
    if (residual && !after) call.residual = residual->first<std::byte>(context.arena);
    const int error =
        context.half_products->launch(call, context.half_workspace, context.stream.handle);
    if (error != 0 || !after) return error;
    kernels::cuda::HalfActivationArgs args{.y = y.first<Half>(context.arena),
                                           .ldy = y.stride<Half>(),
                                           .rows = rows.capacity,
                                           .cols = product.n,
                                           .activation = activation,
                                           .residual = nullptr,
                                           .ld_residual = 0};
    if (residual) {
      args.residual = residual->first<Half>(context.arena);
      args.ld_residual = residual->stride<Half>();
    }
    return kernels::cuda::launch_activation(args, rows.actual, context.stream);
  }
};

}  // namespace

LoweredStep lower_half_linear(const Node& node, LoweringContext& context) {
  const Value& weight = context.value(node.inputs[1]);
  const Activation activation = std::get<LinearOp>(node.op).activation;
  const bool has_residual = node.inputs[3] != kNoValue;
  auto step = std::make_unique<HalfLinearStep>();
  HalfProduct& product = step->product;
  product.n = static_cast<int>(weight.shape[0]);
  product.k = static_cast<int>(weight.shape[1]);
  product.ldw = (product.k + kRowElements - 1) / kRowElements * kRowElements;
  product.float_out = context.value(node.outputs[0]).dtype == DType::kF32;
  product.relu = activation == Activation::kRelu && !has_residual;
  if (!product.relu) step->activation = activation;
  if (product.float_out && (has_residual || step->activation != Activation::kNone)) {
    refuse(node, "a sum or an activation of logits");
  }
  step->per_sequence = context.per_sequence(node.outputs[0]);
  step->x = context.buffer(node.inputs[0]);
  step->y = context.buffer(node.outputs[0]);
  product.ldx = step->x.stride<Half>();
  product.ldy = product.float_out ? step->y.stride<float>() : step->y.stride<Half>();
  if (has_residual) {
    step->residual = context.buffer(node.inputs[3]);
    product.ld_residual = step->residual->stride<Half>();
  }
  step->weight = add_halves(weight, product.n, product.k, product.ldw, context);
  if (node.inputs[2] != kNoValue) {
    const Value& bias = context.value(node.inputs[2]);
    step->bias = product.float_out ? context.weights.add(padded_floats(bias))
                                   : add_halves(bias, 1, product.n, product.n, context);
  }
  StepInfo info;
  info.kernel = "gemm f16 " + std::string(name(activation));
  info.macs_per_row = static_cast<std::int64_t>(product.n) * product.k;
  info.weight_bytes =
      static_cast<std::size_t>(product.n) * static_cast<std::size_t>(product.ldw) * sizeof(Half);
  return {std::move(step), std::move(info)};
}

}  // namespace qe::cuda
