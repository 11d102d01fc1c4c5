// What the two attention tests share: the shape of a head and the table that others must equal.
#pragma once

#include <cstddef>

#include "kernels/kernel_table.h"

namespace qe::test {

struct Head {
  int tokens;
  int head_dim;
  std::ptrdiff_t ld;
};

inline const kernels::KernelTable& reference_table() {
  return kernels::kernel_table(kernels::Isa::kReference);
}

}  // namespace qe::test
