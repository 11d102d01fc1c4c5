// The epilogue that integer convolutions share, worked out at compile time: one multiplier and one
// bias a channel that lead from the exact sum to a byte, an activation by saturation or by a table,
// a residual's multiplier.
#pragma once

#include <cstdint>

#include "engine/backends/cpu/lower.h"

namespace qe::cpu {

// The zero point that borders hold and that sums are corrected for. The image's bytes are taken as
// they are (0), their means going to the bias.
std::int32_t input_zero_point(const Node& node, const LoweringContext& context);

struct ByteEpilogue {
  const float* scale = nullptr;         // by channel
  const float* bias = nullptr;          // by channel
  const std::uint8_t* table = nullptr;  // [256], or null
  bool has_residual = false;
  float residual_scale = 0;
};

// For a convolution `node` whose channels come in runs of `n`, each padded to `stride` elements of
// the per-channel arrays. An f32 result takes scale and bias alone. Throws GraphError where
// annotations are missing that the kernel needs, UnsupportedError for image weights whose scales do
// not follow the image's.
ByteEpilogue byte_epilogue(const Node& node, int n, int stride, LoweringContext& context);

}  // namespace qe::cpu
