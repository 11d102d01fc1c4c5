// Kernels that measurements on a GPU need beside the products: inputs, the clock, and the
// requantization that a rival without one is followed by. Results are cudaError_t.
#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;

namespace qe::tools {

// Uniform random bytes, another sequence for another seed.
int fill_random_bytes(void* bytes, std::size_t count, std::uint32_t seed,
                      CUstream_st* stream) noexcept;
// Halves, uniform in [-1, 1).
int fill_random_halves(void* halves, std::size_t count, std::uint32_t seed,
                       CUstream_st* stream) noexcept;

// out = round(clamp(fma(sum, scale[column], bias[column]), 0, 255)), rows without gaps. Reads and
// writes 16 results a thread where n is a multiple of 16.
int requantize(const std::int32_t* sums, const float* scale, const float* bias, std::uint8_t* out,
               int m, int n, CUstream_st* stream) noexcept;

// Stores how many cycles and nanoseconds a multiprocessor counted meanwhile: [cycles, ns].
int count_clock(std::uint64_t* result, CUstream_st* stream) noexcept;

}  // namespace qe::tools
