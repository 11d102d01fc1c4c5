// Resampling of a part of the enlarged or reduced image, in the fixed point of Pillow.
// Source of the arithmetic: Pillow, src/libImaging/Resample.c (8 bits per channel).
#pragma once

#include <cstdint>

#include <qe/image.h>

namespace qe::image {

// The image scaled to width x height, and the part of it that is wanted.
struct Window {
  std::int64_t full_width, full_height;
  std::int64_t left, top;
  int width, height;
};

// Pixels of the window, each as it is in the whole scaled image. The caller has checked that the
// image is whole and the window inside the scaled image.
Image resample(const Image& image, const Window& window, Interpolation interpolation);

}  // namespace qe::image
