// See cuda_kernels.h.
#include "tools/bench/gemm/cuda_kernels.h"

#include <cuda_fp16.h>
#include <cuda_runtime.h>

namespace qe::tools {
namespace {

constexpr int kThreads = 256;
constexpr int kVector = 16;

unsigned blocks_for(std::size_t items) {
  return static_cast<unsigned>((items + kThreads - 1) / kThreads);
}

// A counter's bits mixed (finalizer of MurmurHash3).
__device__ std::uint32_t mixed(std::uint32_t value, std::uint32_t seed) {
  value += seed * 0x9E3779B9U;
  value = (value ^ value >> 16U) * 0x85EBCA6BU;
  value = (value ^ value >> 13U) * 0xC2B2AE35U;
  return value ^ value >> 16U;
}

__device__ std::size_t thread_index() {
  return static_cast<std::size_t>(blockIdx.x) * kThreads + threadIdx.x;
}

__global__ void random_bytes(std::uint8_t* bytes, std::size_t count, std::uint32_t seed) {
  const std::size_t i = thread_index();
  if (i < count) bytes[i] = static_cast<std::uint8_t>(mixed(static_cast<std::uint32_t>(i), seed));
}

__global__ void random_halves(__half* halves, std::size_t count, std::uint32_t seed) {
  const std::size_t i = thread_index();
  if (i >= count) return;
  const std::uint32_t bits = mixed(static_cast<std::uint32_t>(i), seed) >> 21U;
  halves[i] = __float2half_rn(static_cast<float>(bits) / 1024.0F - 1.0F);
}

__device__ std::uint8_t to_byte(int sum, float scale, float bias) {
  const int rounded = __float2int_rn(fmaf(static_cast<float>(sum), scale, bias));
  return static_cast<std::uint8_t>(min(max(rounded, 0), 255));
}

__global__ void requantize_vectors(const int4* sums, const float* scale, const float* bias,
                                   uint4* out, std::size_t count, int n) {
  const std::size_t i = thread_index();
  if (i >= count) return;
  const int column = static_cast<int>(i * kVector % static_cast<std::size_t>(n));
  alignas(16) std::uint8_t bytes[kVector];
#pragma unroll
  for (int quad = 0; quad < kVector / 4; ++quad) {
    const int4 sum = sums[i * (kVector / 4) + quad];
    const int at = column + quad * 4;
    bytes[quad * 4] = to_byte(sum.x, scale[at], bias[at]);
    bytes[quad * 4 + 1] = to_byte(sum.y, scale[at + 1], bias[at + 1]);
    bytes[quad * 4 + 2] = to_byte(sum.z, scale[at + 2], bias[at + 2]);
    bytes[quad * 4 + 3] = to_byte(sum.w, scale[at + 3], bias[at + 3]);
  }
  out[i] = *reinterpret_cast<const uint4*>(bytes);
}

__global__ void requantize_elements(const int* sums, const float* scale, const float* bias,
                                    std::uint8_t* out, std::size_t count, int n) {
  const std::size_t i = thread_index();
  if (i >= count) return;
  const int column = static_cast<int>(i % static_cast<std::size_t>(n));
  out[i] = to_byte(sums[i], scale[column], bias[column]);
}

__device__ std::uint64_t nanoseconds() {
  std::uint64_t time;
  asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(time));
  return time;
}

__global__ void clock_kernel(std::uint64_t* result) {
  constexpr std::uint64_t kDuration = 200'000;  // many ticks of the coarse nanosecond counter
  const std::uint64_t start = nanoseconds();
  const long long first = clock64();
  std::uint64_t now = start;
  while (now - start < kDuration) now = nanoseconds();
  result[0] = static_cast<std::uint64_t>(clock64() - first);
  result[1] = now - start;
}

}  // namespace

int fill_random_bytes(void* bytes, std::size_t count, std::uint32_t seed,
                      CUstream_st* stream) noexcept {
  random_bytes<<<blocks_for(count), kThreads, 0, stream>>>(static_cast<std::uint8_t*>(bytes), count,
                                                           seed);
  return cudaGetLastError();
}

int fill_random_halves(void* halves, std::size_t count, std::uint32_t seed,
                       CUstream_st* stream) noexcept {
  random_halves<<<blocks_for(count), kThreads, 0, stream>>>(static_cast<__half*>(halves), count,
                                                            seed);
  return cudaGetLastError();
}

int requantize(const std::int32_t* sums, const float* scale, const float* bias, std::uint8_t* out,
               int m, int n, CUstream_st* stream) noexcept {
  const std::size_t count = static_cast<std::size_t>(m) * n;
  if (n % kVector == 0) {
    requantize_vectors<<<blocks_for(count / kVector), kThreads, 0, stream>>>(
        reinterpret_cast<const int4*>(sums), scale, bias, reinterpret_cast<uint4*>(out),
        count / kVector, n);
  } else {
    requantize_elements<<<blocks_for(count), kThreads, 0, stream>>>(sums, scale, bias, out, count,
                                                                    n);
  }
  return cudaGetLastError();
}

int count_clock(std::uint64_t* result, CUstream_st* stream) noexcept {
  clock_kernel<<<1, 1, 0, stream>>>(result);
  return cudaGetLastError();
}

}  // namespace qe::tools
