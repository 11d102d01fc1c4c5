// Float convolution through oneDNN, for one image at a time: NHWC without gaps in and out. The
// primitive and its reordered weights are made once, at compile time of a plan, and may run on
// several threads at the same time. Built without oneDNN, available() is false and none may be
// made.
#pragma once

#include <cstddef>
#include <memory>

#include "kernels/kernel_table.h"

namespace qe::kernels::onednn {

struct ConvolutionShape {
  int in_height, in_width, in_channels;
  int out_height, out_width, out_channels;
  int kernel_height, kernel_width;
  int stride, dilation, groups;
  int pad_top, pad_left, pad_bottom, pad_right;
};

// What follows the sum: + residual, then the activation (kNone, kRelu, kRelu6, kSilu, kGeluErf,
// kGeluTanh, kTanh or kSigmoid).
struct ConvolutionEpilogue {
  bool residual = false;
  Activation activation = Activation::kNone;
};

class Convolution {
 public:
  // `weight` [out][in / groups][kernel height][kernel width], copied; `bias` [out] or null, copied.
  // Throws std::bad_alloc; UnsupportedError if the library refuses the shape.
  Convolution(const ConvolutionShape& shape, const ConvolutionEpilogue& epilogue,
              const float* weight, const float* bias);
  ~Convolution();
  Convolution(Convolution&&) noexcept;
  Convolution& operator=(Convolution&&) noexcept;

  // y = activation(conv(x) + bias + residual) on `threads` threads of the library's own. `residual`
  // has y's shape; null where the epilogue has none.
  void run(const float* x, const float* residual, float* y, int threads) const noexcept;

  std::size_t weight_bytes() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace qe::kernels::onednn
