// The rival of the CPU's product: oneDNN, in a build that has it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "tools/bench/gemm/device.h"

namespace qe::tools {

// Operands of one product on the CPU, rows without gaps.
struct CpuOperands {
  std::vector<std::uint8_t> a;
  std::vector<std::int8_t> w;
  std::vector<float> scale, bias;  // of the result's columns, padded as kernels want them
  std::vector<std::uint8_t> out;
};

struct CpuRival {
  std::string detail;
  GemmKind kind = GemmKind::kAlone;
  std::function<void()> run;  // one product, done on return
};

bool has_cpu_rival();

// Each with weights reordered beforehand into the form it likes. `operands` must outlive them.
std::vector<CpuRival> cpu_rivals(const GemmShape& shape, const CpuOperands& operands, int threads);

}  // namespace qe::tools
