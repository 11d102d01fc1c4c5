// Float convolution through oneDNN, for one image at a time: NHWC without gaps in and out. The
// primitive and its reordered weights are made once, at compile time of a plan, and may be run by
// several callers at the same time, each with its own scratch. Built without oneDNN, available() is
// false and none may be made.
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
  // The library partitions the work when the primitive is made: runs take `threads` threads, or
  // one. Throws std::bad_alloc; UnsupportedError if the library refuses the shape.
  Convolution(const ConvolutionShape& shape, const ConvolutionEpilogue& epilogue,
              const float* weight, const float* bias, int threads);
  ~Convolution();
  Convolution(Convolution&&) noexcept;
  Convolution& operator=(Convolution&&) noexcept;

  // y = activation(conv(x) + bias + residual) on the threads it was made for if there are `threads`
  // as many, else on the calling one. `residual` has y's shape; null where the epilogue has none.
  // `scratch`: scratch_bytes(), 64-byte aligned, of this caller's own.
  void run(const float* x, const float* residual, float* y, int threads,
           std::byte* scratch) const noexcept;

  std::size_t weight_bytes() const noexcept;  // resident: as reordered, bias included
  std::size_t scratch_bytes() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace qe::kernels::onednn
