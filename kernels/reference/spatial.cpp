// The plain rendering of the pooling and pointwise kernels of spatial_args.h, element by element:
// the specification the other instruction sets are tested against, with the steps of
// docs/numerics.md. It refuses nothing and is tuned for nothing.
#include <cmath>
#include <cstring>

#include "kernels/isa_tables.h"
#include "kernels/reference/math.h"

namespace qe::kernels::reference {
namespace {

std::uint8_t window_maximum(const MaxPoolArgs& args, int y, int x, int c) {
  std::uint8_t largest = 0;
  for (int i = 0; i < args.kernel; ++i) {
    for (int j = 0; j < args.kernel; ++j) {
      const int row = y * args.stride - args.pad_top + i;
      const int col = x * args.stride - args.pad_left + j;
      if (row >= 0 && row < args.in_height && col >= 0 && col < args.in_width) {
        const std::ptrdiff_t pixel = std::ptrdiff_t{row} * args.in_width + col;
        const std::uint8_t value = args.x[pixel * args.x_pixel_stride + c];
        largest = value > largest ? value : largest;
      }
    }
  }
  return largest;
}

// apply(pixel, channel) for all of an image.
template <class Apply>
void for_elements(int pixels, int channels, Apply apply) {
  for (std::ptrdiff_t pixel = 0; pixel < pixels; ++pixel) {
    for (int c = 0; c < channels; ++c) {
      apply(pixel, c);
    }
  }
}

}  // namespace

void max_pool(const MaxPoolArgs& args) noexcept {
  for (int y = args.row_begin; y < args.row_end; ++y) {
    for (int x = 0; x < args.out_width; ++x) {
      for (int c = 0; c < args.channels; ++c) {
        args.out[(std::ptrdiff_t{y} * args.out_width + x) * args.out_pixel_stride + c] =
            window_maximum(args, y, x, c);
      }
    }
  }
}

void channel_sums(const ChannelSumArgs& args) noexcept {
  std::memset(args.sum, 0, sizeof(std::uint32_t) * args.channels);
  for_elements(args.pixels, args.channels, [&](std::ptrdiff_t pixel, int c) {
    args.sum[c] += args.x[pixel * args.x_pixel_stride + c];
  });
}

void channel_mean(const ChannelMeanArgs& args) noexcept {
  for (int c = 0; c < args.channels; ++c) {
    args.mean[c] = std::fma(static_cast<float>(args.sum[c]), args.scale, args.bias);
  }
}

void scale_channels(const ScaleChannelsArgs& args) noexcept {
  for_elements(args.pixels, args.channels, [&](std::ptrdiff_t pixel, int c) {
    const int x = args.x[pixel * args.x_pixel_stride + c] - args.x_zero_point;
    args.out[pixel * args.out_pixel_stride + c] = round_to_u8(
        std::fma(static_cast<float>(x), args.gate[c] * args.scale, args.out_zero_point));
  });
}

void rescale(const RescaleArgs& args) noexcept {
  for_elements(args.pixels, args.channels, [&](std::ptrdiff_t pixel, int c) {
    const auto x = static_cast<float>(args.x[pixel * args.x_pixel_stride + c]);
    args.out[pixel * args.out_pixel_stride + c] = round_to_u8(std::fma(x, args.scale, args.bias));
  });
}

void add_bytes(const AddBytesArgs& args) noexcept {
  for_elements(args.pixels, args.channels, [&](std::ptrdiff_t pixel, int c) {
    const auto a = static_cast<float>(args.a[pixel * args.a_pixel_stride + c]);
    const auto b = static_cast<float>(args.b[pixel * args.b_pixel_stride + c]);
    args.out[pixel * args.out_pixel_stride + c] =
        round_to_u8(std::fma(a, args.a_scale, std::fma(b, args.b_scale, args.bias)));
  });
}

void expand_image(const ExpandImageArgs& args) noexcept {
  const int out_width = args.pad_left + args.width + args.pad_right;
  for (int y = args.row_begin; y < args.row_end; ++y) {
    for (int x = 0; x < out_width; ++x) {
      const int row = y - args.pad_top;
      const int col = x - args.pad_left;
      const bool inside = row >= 0 && row < args.height && col >= 0 && col < args.width;
      const std::uint8_t* pixel =
          inside ? args.x + (std::ptrdiff_t{row} * args.width + col) * 3 : args.border;
      std::uint8_t* out = args.out + (std::ptrdiff_t{y} * out_width + x) * 4;
      std::memcpy(out, pixel, 3);
      out[3] = 0;
    }
  }
}

}  // namespace qe::kernels::reference
