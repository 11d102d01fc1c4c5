// The arrays that a product reads, here and in device memory.
#pragma once

#include <cstdint>
#include <vector>

#include <qe/gemm_operands.h>

#include "tests/cuda/gpu_support.h"

namespace qe::test {

struct GemmArrays {
  std::vector<std::uint8_t> a;
  std::vector<std::int8_t> w;
  std::vector<std::int32_t> offset;
  std::vector<float> scale, bias, weight_sum, row_scale, row_floor;
};

class DeviceGemmArrays {
 public:
  explicit DeviceGemmArrays(const GemmArrays& arrays)
      : a_(arrays.a),
        w_(arrays.w),
        offset_(arrays.offset),
        scale_(arrays.scale),
        bias_(arrays.bias),
        weight_sum_(arrays.weight_sum),
        row_scale_(arrays.row_scale),
        row_floor_(arrays.row_floor) {}

  // All of them; a test takes away what its product does not have.
  GemmOperands operands() const {
    return {.a = a_.data(),
            .column_offset = offset_.data(),
            .column_scale = scale_.data(),
            .row_scale = row_scale_.data(),
            .row_floor = row_floor_.data(),
            .column_weight_sum = weight_sum_.data(),
            .bias = bias_.data()};
  }
  const std::int8_t* weights() const { return w_.data(); }

 private:
  DeviceArray<std::uint8_t> a_;
  DeviceArray<std::int8_t> w_;
  DeviceArray<std::int32_t> offset_;
  DeviceArray<float> scale_, bias_, weight_sum_, row_scale_, row_floor_;
};

}  // namespace qe::test
