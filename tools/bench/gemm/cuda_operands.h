// What a product on a GPU works on: several sets of random operands, each larger together than the
// cache, so that none is read from where its last use left it.
#pragma once

#include <cstddef>

#include "tools/bench/gemm/cuda_resources.h"
#include "tools/bench/gemm/device.h"

namespace qe::tools {

// Sets of one kind of operand, one behind the other.
class OperandSets {
 public:
  OperandSets() = default;
  OperandSets(std::size_t bytes, std::size_t count);

  std::byte* at(std::size_t set) const { return memory_.data() + set * stride_; }
  std::size_t bytes() const { return bytes_; }

 private:
  DeviceMemory memory_;
  std::size_t stride_ = 0;
  std::size_t bytes_ = 0;
};

struct CudaOperands {
  // Those of rivals (sums, halves) only where options.compare. Throws DeviceError.
  CudaOperands(const GemmShape& shape, const GemmOptions& options, std::size_t cache_bytes,
               cudaStream_t stream);

  std::size_t sets;
  OperandSets a, w, out, sums, half_a, half_w, half_out;
  DeviceMemory columns;  // scales, then biases
};

}  // namespace qe::tools
