// Random convolutions for conv_test.cpp: their shapes, and what follows the sums.
#pragma once

#include <algorithm>
#include <string>

#include "kernels/kernel_table.h"
#include "tests/kernels/shape_random.h"

namespace qe::test {

// A convolution of NHWC bytes. With row_taps a whole row of the kernel is one tap, as in a first
// layer of few channels: pixels are then packed tightly and nothing is padded on left and right.
struct ConvShape {
  int batch, height, width, channels, columns;
  int kernel_height, kernel_width, stride, dilation;
  int pad_top, pad_left, out_height, out_width;
  bool row_taps;
  int pixel_stride;
  int first_row, rows;  // of batch * out_height * out_width
  int first_panel, last_panel;

  int taps() const { return row_taps ? kernel_height : kernel_height * kernel_width; }
  int tap_bytes() const { return row_taps ? kernel_width * channels : channels; }
  int tap_depth() const { return kernels::round_up(tap_bytes(), kernels::kDepthGroup); }
  int depth() const { return taps() * tap_depth(); }
  int row_step() const { return row_taps ? stride * pixel_stride : 0; }
  int image_stride() const { return height * width * pixel_stride; }
};

inline std::string describe(const ConvShape& s) {
  const auto pair = [](int a, int b) { return std::to_string(a) + "x" + std::to_string(b); };
  return "batch " + std::to_string(s.batch) + " in " + pair(s.height, s.width) + " channels " +
         std::to_string(s.channels) + " columns " + std::to_string(s.columns) + " kernel " +
         pair(s.kernel_height, s.kernel_width) + " stride " + std::to_string(s.stride) +
         " dilation " + std::to_string(s.dilation) + " pad " + pair(s.pad_top, s.pad_left) +
         " out " + pair(s.out_height, s.out_width) + " row taps " + std::to_string(s.row_taps) +
         " rows " + std::to_string(s.first_row) + "+" + std::to_string(s.rows) + " panels " +
         std::to_string(s.first_panel) + "-" + std::to_string(s.last_panel);
}

// Rows of the output that divide into tiles, and channels that fill steps of the depth.
inline void make_whole_tiles(ConvShape& s, ShapeRandom& random) {
  s.row_taps = random.chance(4);
  if (s.row_taps) {
    s.channels = 4;
    s.kernel_width = random.integer(1, 7);
    s.stride = random.integer(1, 3);
    s.pad_left = 0;
    s.dilation = 1;
    s.out_width = random.integer(8, 36);
    s.width = (s.out_width - 1) * s.stride + s.kernel_width;
    s.pixel_stride = s.channels;
    return;
  }
  s.dilation = random.chance(4) ? 2 : 1;
  s.channels = 64 * random.integer(1, 2);
  s.columns = random.integer(1, 140);
  s.pixel_stride = s.channels + (random.chance(2) ? 0 : 12);
  s.kernel_width = random.integer(1, 3);
  s.out_width = random.integer(8, 36);
  s.width = random.integer(1, s.out_width + 2);
  s.height = random.integer(1, 4);
  s.out_height = random.integer(1, 3);
}

inline ConvShape random_conv_shape(ShapeRandom& random) {
  ConvShape s{};
  s.row_taps = random.chance(8);
  s.batch = random.chance(2) ? 1 : random.integer(1, 3);
  s.channels = s.row_taps ? random.integer(1, 6) : random.channels();
  s.columns = random.channels();
  const bool pointwise = random.chance(4);
  s.kernel_height = pointwise ? 1 : random.integer(1, 3);
  s.kernel_width = pointwise ? 1 : random.integer(1, s.row_taps ? 7 : 3);
  s.stride = random.integer(1, 3);
  s.dilation = s.row_taps ? 1 : random.integer(1, 3);
  s.pad_top = random.integer(0, 3);
  s.pad_left = s.row_taps ? 0 : random.integer(0, 3);
  s.height = random.integer(1, 7);
  s.width = random.integer(s.row_taps ? s.kernel_width : 1, s.row_taps ? 12 : 7);
  s.out_height = random.integer(1, 4);
  s.out_width = s.row_taps ? (s.width - s.kernel_width) / s.stride + 1 : random.integer(1, 5);
  s.pixel_stride = s.row_taps ? s.channels
                              : kernels::round_up(s.channels, kernels::kDepthGroup) +
                                    (random.chance(2) ? 0 : 12);
  if (random.chance(6)) make_whole_tiles(s, random);
  const int all_rows = s.batch * s.out_height * s.out_width;
  s.first_row = random.chance(2) ? 0 : random.integer(0, all_rows - 1);
  s.rows = random.chance(2) ? all_rows - s.first_row : random.integer(1, all_rows - s.first_row);
  s.first_panel = random.chance(4) ? random.integer(0, kernels::panel_count(s.columns) - 1) : 0;
  s.last_panel = kernels::panel_count(s.columns);
  const int tile = kernels::tile_of_row(s.out_width);
  if (tile > 0 && random.chance(2)) {  // rows that consist of tiles
    s.first_row = s.first_row / tile * tile;
    s.rows = std::min(kernels::round_up(s.rows, tile), all_rows - s.first_row);
  }
  return s;
}

// What follows the sums.
struct ConvEpilogue {
  bool u8, offset, bias, residual, in_place, table, row_terms;
  kernels::Activation activation;
};

inline ConvEpilogue random_conv_epilogue(ShapeRandom& random) {
  ConvEpilogue e{};
  e.u8 = !random.chance(5);
  e.offset = random.chance(2);
  e.bias = !random.chance(4);
  e.activation = random.chance(5) ? kernels::Activation::kRelu : kernels::Activation::kNone;
  e.residual = random.chance(3) && (!e.u8 || e.activation == kernels::Activation::kNone);
  e.in_place = e.u8 && e.residual && random.chance(2);
  e.table = e.u8 && random.chance(3);
  e.row_terms = random.chance(8);
  return e;
}

}  // namespace qe::test
