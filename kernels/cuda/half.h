// A binary16 number as memory holds it: plain data, which host code without CUDA can name.
#pragma once

#include <cstdint>

namespace qe::kernels::cuda {

struct Half {
  std::uint16_t bits;
};

}  // namespace qe::kernels::cuda
