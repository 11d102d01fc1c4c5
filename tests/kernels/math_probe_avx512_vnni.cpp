// The vector math of kernels/x86/avx512_vnni, callable from a test.
#include "kernels/x86/avx512_vnni/f32x16.h"
// The body is written in the types of f32x16.h.
#include "tests/kernels/math_probe_body.h"

namespace qe::test {

void probe_avx512_vnni(Function function, const float* x, float* y) {
  kernels::apply(function, kernels::F32x16::load(x)).store(y);
}

}  // namespace qe::test
