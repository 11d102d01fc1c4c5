// The depthwise convolution of kernels/x86/depthwise_body.h for AVX-512 VNNI.
#include "kernels/x86/avx512_vnni/bytes.h"
// The body is written in the types of bytes.h.
#include "kernels/x86/depthwise_body.h"

#include "kernels/isa_tables.h"

namespace qe::kernels::avx512_vnni {

void depthwise(const DepthwiseArgs& args) noexcept { depthwise_body(args); }

}  // namespace qe::kernels::avx512_vnni
