// Halves on the host.
#include <cuda_fp16.h>

#include "tests/cuda/halves.h"

float __half2float(__half value) { return qe::test::half_value(value.bits); }
__half __float2half_rn(float value) { return {qe::test::half_bits(value)}; }
