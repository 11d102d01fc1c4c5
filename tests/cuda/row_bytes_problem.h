// A random product whose rows become bytes where they are computed, and what the product of floats
// and the quantization of its rows make of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/backends/cuda/product.h"
#include "tests/cuda/gemm_arrays.h"
#include "tests/kernels/shape_random.h"

namespace qe::test {

struct RowBytesShape {
  int m, n, k;
  int rows;  // of this run, at most m
};

class RowBytesProblem {
 public:
  RowBytesProblem(const RowBytesShape& shape, ShapeRandom& random);

  // Whether the kernel gives the same bytes and scales, twice in the same memory, and writes
  // nothing beyond them.
  bool same_on(const cuda::ProductKernels& products, int kernel) const;
  std::string describe(int kernel) const;

 private:
  struct Result {
    std::vector<std::uint8_t> q;
    std::vector<float> scale;
  };
  Result start() const;
  GemmOperands operands(const class RowBytesOperands& device) const;
  Result apart(const cuda::ProductKernels& products, const class RowBytesOperands& device) const;
  std::vector<Result> together(const cuda::ProductKernels& products, int kernel,
                               const class RowBytesOperands& device) const;

  RowBytesShape shape_;
  Activation activation_;
  int lda_, ldq_;
  GemmArrays arrays_;
};

}  // namespace qe::test
