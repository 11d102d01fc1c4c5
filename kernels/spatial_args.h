// Arguments of the kernels that know height and width. Images are NHWC; a pixel's channels lie next
// to each other and pixels lie `pixel_stride` bytes (or floats) apart, which is at least the
// channel count rounded up to 16, so that every kernel may read and write whole groups of 16
// channels: what lies between the channel count and that boundary has no meaning. Rows of pixels
// are `width * pixel_stride` apart, images one after another. Included by kernel_table.h.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace qe::kernels {

// Where the left-hand rows of an indirect product lie (Dukhan 2019, "The Indirect Convolution
// Algorithm"): row r of the product is pixel p = (first_row + r) % pixels of image (first_row + r)
// / pixels, and its bytes are `count` pieces ("taps") of k bytes each:
//   a + image * image_stride + offset[p * count + t]     or     padding
// the latter where offset[...] is kPaddingTap. Every piece has round_up(k, 4) readable bytes.
inline constexpr std::int32_t kPaddingTap = std::numeric_limits<std::int32_t>::min();
struct Taps {
  int count = 0;
  const std::int32_t* offset = nullptr;  // [pixels][count], in bytes
  int pixels = 0;                        // rows of the product for each image
  int first_row = 0;
  std::ptrdiff_t image_stride = 0;
  const std::uint8_t* padding = nullptr;  // padding_bytes(): the zero point, as a rule
  int out_width = 0;
  // Set where taps are the pixels under an undilated kernel, row by row. Neighbours in a row of the
  // output then share pieces: piece j of pixel p + 1 is piece j + stride of p in the same kernel
  // row.
  int kernel_width = 0;
  int stride = 0;
  // Set where a piece of a pixel lies so many bytes behind that of its neighbour in a row of the
  // output, or all of the row are padding.
  int row_step = 0;
};

// Output pixels of a row that make equal tiles; 0: the row does not divide so. Threads that share
// rows of a convolution should share whole tiles.
inline constexpr int kMostTilePixels = 16;
constexpr int tile_of_row(int out_width) {
  constexpr int kFewest = 8;
  const int tiles = (out_width + kMostTilePixels - 1) / kMostTilePixels;
  return out_width % tiles == 0 && out_width / tiles >= kFewest ? out_width / tiles : 0;
}

// Bytes of a padding piece. With row_step that of each neighbour in a tile is found row_step bytes
// behind the last one's.
constexpr int padding_bytes(int k, int row_step) {
  return (k + 3) / 4 * 4 + (kMostTilePixels - 1) * row_step;
}

// Depthwise convolution: channel c of an output pixel sees channel c of the pixels under the
// kernel. For output (y, x) and channel c, with zero-extended borders of the zero-point byte:
//   acc = offset[c] + sum over (i, j) of in[y*stride - pad_top + i*dilation]
//                                          [x*stride - pad_left + j*dilation][c] * w[i][j][c]
//   out = to_u8(fma(float(acc), scale[c], bias[c])), then out = table[out] where table is set
// where pixels outside the image count as `x_zero_point`, and offset[c] holds -x_zero_point * sum
// w. Per-channel arrays have round_up(channels, 16) readable elements, zero beyond `channels`.
// `packed` is what pack_depthwise made for the same shape. Output rows [row_begin, row_end) of one
// image are computed. `out` must not overlap `x`.
struct DepthwiseShape {
  int in_height, in_width, channels;
  int kernel_height, kernel_width;  // 1 to 7 each
  int stride;                       // 1 or 2, both ways
  int dilation;                     // >= 1, both ways
  int pad_top, pad_left;
  int out_height, out_width;
};

// The packed weights, one layout for every instruction set. Four vertical taps of a channel lie in
// a dword, to meet four rows of the image whose bytes are interleaved. Where no more rows are to be
// interleaved for it, two output rows are computed from the same ones: each has its own weights,
// those of the second moved down by `stride` rows among zeros. Channels, rounded up to 16, come in
// blocks of 64 as long as they last, then of 32 and 16 as needed. A block is
//   [quad of rows][kernel column][output row][4][lanes = width / 16][4][4]
// where element [g][lane][i][tap] belongs to channel 16 * lane + 4 * g + i of the block.
constexpr int depthwise_quads(int rows) { return (rows + 3) / 4; }
// Output rows computed at once: 1 or 2.
constexpr int depthwise_rows(const DepthwiseShape& s) {
  const bool no_more =
      depthwise_quads(s.kernel_height + s.stride) == depthwise_quads(s.kernel_height);
  return s.dilation == 1 && no_more ? 2 : 1;
}
constexpr std::size_t depthwise_packed_bytes(const DepthwiseShape& s) {
  return static_cast<std::size_t>((s.channels + 15) / 16 * 16) * depthwise_quads(s.kernel_height) *
         s.kernel_width * depthwise_rows(s) * 4;
}

struct PackDepthwiseArgs {
  const std::int8_t* w;  // [channels][kernel_height * kernel_width], as checkpoints store it
  DepthwiseShape shape;
  std::int8_t* packed;       // depthwise_packed_bytes(shape), 64-byte aligned
  std::int32_t* weight_sum;  // [round_up(channels, 16)], zero beyond channels
};
struct DepthwiseArgs {
  DepthwiseShape shape;
  const std::uint8_t* x;  // the image's first pixel
  std::ptrdiff_t x_pixel_stride;
  std::uint8_t x_zero_point;
  const std::int8_t* packed;
  const std::int32_t* offset;
  const float* scale;
  const float* bias;
  const std::uint8_t* table;  // [256] or null
  std::uint8_t* out;          // the output image's first pixel
  std::ptrdiff_t out_pixel_stride;
  int row_begin, row_end;
};

// Maximum over windows of bytes of one image; pixels outside do not count. A window that lies
// wholly outside gives 0.
struct MaxPoolArgs {
  const std::uint8_t* x;
  std::ptrdiff_t x_pixel_stride;
  int in_height, in_width, channels;
  int kernel, stride, pad_top, pad_left;
  int out_width;
  std::uint8_t* out;
  std::ptrdiff_t out_pixel_stride;
  int row_begin, row_end;  // output rows
};

// sum[c] = sum over `pixels` pixels of x[p][c]; exact in 32 bits up to 2^24 pixels.
struct ChannelSumArgs {
  const std::uint8_t* x;
  std::ptrdiff_t x_pixel_stride;
  int pixels, channels;
  std::uint32_t* sum;  // [round_up(channels, 16)]
};

// mean[c] = fma(float(sum[c]), scale, bias): a whole-image average as a real number, where scale =
// x_scale / pixels and bias = -x_zero_point * x_scale.
struct ChannelMeanArgs {
  const std::uint32_t* sum;
  int channels;
  float scale, bias;
  float* mean;  // [channels]
};

// out = to_u8(fma(float(x - x_zero_point), gate[c] * scale, out_zero_point)), scale = x_scale /
// out_scale: the multiplication of squeeze-and-excitation, on bytes. May be in place.
struct ScaleChannelsArgs {
  const std::uint8_t* x;
  std::ptrdiff_t x_pixel_stride;
  int pixels, channels;
  std::uint8_t x_zero_point;
  const float* gate;  // [channels]; round_up(channels, 16) readable
  float scale;
  float out_zero_point;
  std::uint8_t* out;
  std::ptrdiff_t out_pixel_stride;
};

// Bytes of one image quantized anew: out = to_u8(fma(float(x), scale, bias)), [pixels][channels].
// May be in place.
struct RescaleArgs {
  const std::uint8_t* x;
  std::ptrdiff_t x_pixel_stride;
  int pixels, channels;
  float scale, bias;
  std::uint8_t* out;
  std::ptrdiff_t out_pixel_stride;
};

// Residual sum on bytes: out = to_u8(fma(float(a), a_scale, fma(float(b), b_scale, bias))). May be
// in place.
struct AddBytesArgs {
  const std::uint8_t* a;
  std::ptrdiff_t a_pixel_stride;
  const std::uint8_t* b;
  std::ptrdiff_t b_pixel_stride;
  int pixels, channels;
  float a_scale, b_scale, bias;
  std::uint8_t* out;
  std::ptrdiff_t out_pixel_stride;
};

// Packed RGB to the four-byte pixels of the first layer, with a border of `border` (the byte
// nearest to the mean, a fourth byte of 0): [height][width][3] becomes [pad_top + height +
// pad_bottom] [pad_left + width + pad_right][4], for output rows [row_begin, row_end).
struct ExpandImageArgs {
  const std::uint8_t* x;
  int height, width;
  int pad_top, pad_left, pad_bottom, pad_right;
  std::uint8_t border[3];
  std::uint8_t* out;
  int row_begin, row_end;
};

}  // namespace qe::kernels
