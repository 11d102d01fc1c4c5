// One product of random operands on a GPU, and what the CPU's kernels make of it. Memory is filled
// with a pattern that must stay where nothing is to be written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <qe/cuda/gemm.h>

#include "tests/cuda/gemm_arrays.h"
#include "tests/kernels/shape_random.h"

namespace qe::test {

struct GemmShape {
  int m, n, k;
  bool a_signed, offset, row_scale, row_floor, bias, residual, in_place, table;
  Element out;
  Activation activation;
  int lda, ldw, ld_out, ld_residual;
};

// A random epilogue and random strides.
GemmShape random_gemm_shape(int m, int n, int k, ShapeRandom& random);

class GemmProblem {
 public:
  GemmProblem(const GemmShape& shape, ShapeRandom& random);

  // Whether the GPU's result has the bits of the CPU's, and nothing else was written.
  bool same_on(cuda::Gemm& gemm, cuda::GemmKernel kernel, cuda::Stream stream) const;
  std::string describe(cuda::GemmKernel kernel) const;

 private:
  std::vector<std::uint8_t> start() const;
  void compute();
  template <class T>
  T residual_at(int row, int column) const;
  std::uint8_t expected_byte(float y, int row, int column) const;
  bool same_element(const std::uint8_t* found, int row, int column) const;
  bool same(const std::vector<std::uint8_t>& found) const;

  GemmShape shape_;
  GemmArrays arrays_;
  std::vector<std::uint8_t> residual_, table_;
  std::vector<float> y_;
  float residual_scale_, out_inv_scale_, out_zero_point_;
};

}  // namespace qe::test
