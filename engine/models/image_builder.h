// ImageModelBuilder: the words in which image architectures are written down, beside those of
// ModelBuilder. Feature maps are NHWC. In a quantized checkpoint batch norms were folded into the
// convolutions before them, so the same words then expect a bias and no batch norm.
#pragma once

#include <string>
#include <vector>

#include "engine/models/builder.h"

#include <qe/image_input.h>

namespace qe {

struct ConvShape {
  int kernel = 1;
  int stride = 1;
  int groups = 1;
  int dilation = 1;
  // Pixels added at each side; kSame adds what keeps ceil(size / stride) outputs, the odd pixel at
  // the end, as TensorFlow does; kCentred adds (dilation (kernel - 1)) / 2 at each side.
  static constexpr int kCentred = -1;
  static constexpr int kSame = -2;
  int padding = kCentred;
};

class ImageModelBuilder : public ModelBuilder {
 public:
  explicit ImageModelBuilder(const Checkpoint& checkpoint);

  const ImageInput& input() const { return input_; }
  bool has(const std::string& tensor) const;

  // The normalized image, [sequences, height, width, 3].
  ValueId image();
  // A convolution with a bias.
  ValueId conv(ValueId x, const std::string& module, std::int64_t out_channels, ConvShape conv);
  // A convolution without a bias and the batch norm after it, under the names of both modules.
  ValueId conv_norm(ValueId x, const std::string& module, const std::string& norm,
                    std::int64_t out_channels, ConvShape conv, double epsilon = 1e-5);
  // A 1x1 convolution of a map that has one pixel, [sequences, c]: stored with four dimensions,
  // computed as a linear.
  ValueId pointwise_linear(ValueId x, const std::string& module, std::int64_t out_channels);
  ValueId max_pool(ValueId x, const std::string& name, int kernel, int stride, int padding,
                   bool ceil_mode = false);
  ValueId global_average_pool(ValueId x, const std::string& name);
  ValueId concat(const std::vector<ValueId>& parts, const std::string& name);
  ValueId scale_channels(ValueId x, ValueId gate, const std::string& name);
  ValueId pad_channels(ValueId x, const std::string& name, int stride, std::int64_t before,
                       std::int64_t after);
  // [sequences, h, w, c] to tokens: `cls` [1, 1, c] and `positions` [1, 1 + h w, c] are tensors.
  ValueId patch_tokens(ValueId x, const std::string& name, const std::string& cls,
                       const std::string& positions);

  // ModelBuilder::finish with the image's description and its tokens.
  Model finish(ValueId logits);

 private:
  ValueId batch_norm(ValueId x, const std::string& module, double epsilon);
  ValueId add_conv(ValueId x, const std::string& module, std::int64_t out_channels,
                   const ConvShape& conv, bool bias);
  Shape conv_output(ValueId x, const std::string& module, std::int64_t out_channels,
                    const ConvShape& conv, const Padding& padding) const;

  ImageInput input_;
  int tokens_per_image_ = 0;
};

}  // namespace qe
