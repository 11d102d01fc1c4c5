// What steps on feature maps share: shapes, pixel addresses and the partition of image rows.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/backends/cpu/lower.h"

namespace qe::cpu {

struct MapShape {
  int height = 0;
  int width = 0;
  int channels = 0;
  int pixels() const { return height * width; }
};

inline MapShape map_shape(const Value& value) {
  return {static_cast<int>(value.shape[1]), static_cast<int>(value.shape[2]),
          static_cast<int>(value.shape[3])};
}

// Calls body(image, first row, last row) for this part of `height` rows of each image of the run: a
// contiguous range of all rows together.
template <typename Body>
void for_own_rows(const StepContext& context, int height, const Body& body) {
  const Part part = split(context.inputs.sequences * height, context.parts, context.part, 1);
  for (int row = part.begin; row < part.end;) {
    const int image = row / height;
    const int end = std::min(part.end, (image + 1) * height);
    body(image, row - image * height, end - image * height);
    row = end;
  }
}

template <typename T>
T* pixel(const BufferRef& map, const StepContext& context, int image, int index) {
  return reinterpret_cast<T*>(map.row(context, image) + index * map.pixel_bytes);
}

// Scale and zero point of a static value.
struct ByteScale {
  float scale = 1;
  float zero_point = 0;
  std::uint8_t zero_byte() const { return static_cast<std::uint8_t>(zero_point); }
};

inline ByteScale byte_scale(const Value& value) {
  return {value.quant->scale.at(0), static_cast<float>(value.quant->zero_point.at(0))};
}

}  // namespace qe::cpu
