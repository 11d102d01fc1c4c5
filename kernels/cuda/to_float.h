// One element of any type as a float. Device code.
#pragma once

#include <cuda_fp16.h>

#include <bit>
#include <cstdint>

#include "kernels/cuda/half.h"

namespace qe::kernels::cuda {

__device__ __forceinline__ float to_float(float v) { return v; }
__device__ __forceinline__ float to_float(__half v) { return __half2float(v); }
__device__ __forceinline__ float to_float(Half v) { return to_float(std::bit_cast<__half>(v)); }
__device__ __forceinline__ float to_float(std::uint8_t v) { return static_cast<float>(v); }
__device__ __forceinline__ float to_float(std::int8_t v) { return static_cast<float>(v); }

}  // namespace qe::kernels::cuda
