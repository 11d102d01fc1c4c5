// What a layer normalization reads, whatever its element type and whatever it makes of it.
#pragma once

#include "engine/backends/constants.h"
#include "engine/backends/cuda/lower.h"

namespace qe::cuda {

struct NormInput {
  WeightRef gamma, beta;
  float epsilon = 0;
  int cols = 0;
  bool per_sequence = false;
  BufferRef x;

  NormInput() = default;
  NormInput(const Node& node, LoweringContext& context)
      : gamma(context.weights.add(padded_floats(context.value(node.inputs[1])))),
        beta(context.weights.add(padded_floats(context.value(node.inputs[2])))),
        epsilon(std::get<LayerNormOp>(node.op).epsilon),
        cols(context.width(node.inputs[0])),
        per_sequence(context.per_sequence(node.inputs[0])),
        x(context.buffer(node.inputs[0])) {}

  // Args: kernels::LayerNormArgs or that of halves; X its element.
  template <class X, class Args>
  void set(const LaunchContext& context, Args& args) const {
    args.x = x.first<X>(context.arena);
    args.ldx = x.stride<X>();
    args.rows = context.rows(per_sequence).capacity;
    args.cols = cols;
    args.gamma = gamma.at<float>(context.weights);
    args.beta = beta.at<float>(context.weights);
    args.epsilon = epsilon;
  }
};

}  // namespace qe::cuda
