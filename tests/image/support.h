// Where the test images are, and comparison of images with tensors of bytes.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

#include <qe/image.h>
#include <qe/tensor.h>

#include "loaders/safetensors.h"
#include "tests/loaders/support.h"

namespace qe::test {

inline const fs::path kImages = fs::path(QE_SOURCE_DIR) / "tests" / "data" / "images";

inline Image to_image(const Tensor& tensor) {
  REQUIRE(tensor.shape.size() == 3);
  REQUIRE(tensor.shape[2] == 3);
  const auto bytes = tensor.data<std::uint8_t>();
  return {.width = static_cast<int>(tensor.shape[1]),
          .height = static_cast<int>(tensor.shape[0]),
          .rgb = {bytes.begin(), bytes.end()}};
}

// The largest difference of two bytes; 256 if the sizes differ.
inline int difference(const Image& a, const Image& b) {
  if (a.width != b.width || a.height != b.height || a.rgb.size() != b.rgb.size()) return 256;
  int largest = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) {
    largest = std::max(largest, std::abs(int{a.rgb[i]} - int{b.rgb[i]}));
  }
  return largest;
}

}  // namespace qe::test
