// Rows of a product for queries, keys and values whose queries and keys are bytes already: in the
// memory of a row of floats, first the bytes, then a scale for each head of them; the values'
// floats are where they are without that. Private to the GPU: the two launches that write and read
// such rows agree on it, and nobody else sees them.
#pragma once

#include "kernels/cuda/kernel_list.h"

namespace qe::kernels::cuda {

// The first `columns` columns of a product are heads of so many elements; none: all are floats.
struct ByteHeads {
  int columns = 0;
  int head_dim = 0;

  bool operator==(const ByteHeads&) const = default;
};

// Where the scales begin, in floats of the row.
constexpr int first_head_scale(const ByteHeads& heads) { return heads.columns / 4; }

inline constexpr int kByteHeadSteps = 2;  // of depth, which heads of 64 elements have

// Whether the lanes of a kernel that finish a row of a head have all of it: swapped kernels have
// its columns along other registers, warps of the portable ones share tiles by 32 columns, and the
// smallest kernel of compute capability 9.0 spilled what is half a head that waits.
constexpr bool holds_heads(const KernelShape& shape, int head_dim) {
  const int columns = shape.family == Family::kMma ? shape.minor / shape.warps_minor : shape.minor;
  return !shape.swapped && (head_dim == 32 || (head_dim == 64 && columns >= 128));
}

}  // namespace qe::kernels::cuda
