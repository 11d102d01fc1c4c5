// The depthwise convolution of kernels/x86/depthwise_body.h for AVX2.
#include "kernels/x86/avx2/bytes.h"
// The body is written in the types of bytes.h.
#include "kernels/x86/depthwise_body.h"

#include "kernels/isa_tables.h"

namespace qe::kernels::avx2 {

void depthwise(const DepthwiseArgs& args) noexcept { depthwise_body(args); }

}  // namespace qe::kernels::avx2
