// The row kernels of rows.h for models that run in halves: operands and results are halves, the
// arithmetic between them is that of floats. Counts, strides and errors are as there.
#pragma once

#include <cstddef>
#include <cstdint>

#include <qe/activation.h>

#include "kernels/cuda/half.h"
#include "kernels/cuda/rows.h"

namespace qe::kernels::cuda {

// out = word + position + type; tables are [count][cols], `type` may be null.
struct HalfEmbedArgs {
  const Half* word;
  const Half* position;
  const Half* type;
  const std::int32_t* word_ids;  // [tokens]; every id is a valid row
  const std::int32_t* position_ids;
  const std::int32_t* type_ids;
  int tokens, cols;
  Half* out;
  std::ptrdiff_t ld_out;
};
int launch_embed(const HalfEmbedArgs& args, const std::int32_t* count,
                 LaunchStream stream) noexcept;

struct HalfNormArgs {
  const Half* x;
  std::ptrdiff_t ldx;
  int rows, cols;
  const float* gamma;
  const float* beta;
  float epsilon;
  Half* y;
  std::ptrdiff_t ldy;
};
int launch_layer_norm(const HalfNormArgs& args, const std::int32_t* count,
                      LaunchStream stream) noexcept;

int launch_select_rows(const SelectRows<Half>& args, const std::int32_t* count,
                       LaunchStream stream) noexcept;

// y = activation(y), then + residual where there is one: what a product of halves does not end with
// by itself.
struct HalfActivationArgs {
  Half* y;
  std::ptrdiff_t ldy;
  int rows, cols;
  Activation activation;
  const Half* residual;
  std::ptrdiff_t ld_residual;
};
int launch_activation(const HalfActivationArgs& args, const std::int32_t* count,
                      LaunchStream stream) noexcept;

}  // namespace qe::kernels::cuda
