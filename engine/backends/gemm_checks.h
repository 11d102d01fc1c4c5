// Arguments of a matrix product against their contract in <qe/gemm_operands.h>, before any kernel
// sees them.
#pragma once

#include <qe/gemm_operands.h>

namespace qe {

// Throws UsageError: sizes, missing or contradictory pointers, leading dimensions too small.
void check_weights(const GemmWeights& weights);
void check_operands(const GemmWeights& weights, const GemmOperands& operands);

// Throws UsageError: operands of a GPU that are not aligned as <qe/cuda/gemm.h> says.
void check_alignment(const GemmWeights& weights, const GemmOperands& operands);

}  // namespace qe
