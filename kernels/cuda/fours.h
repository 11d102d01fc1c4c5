// Rows of memory in pieces of four elements: one access where every piece of the row is aligned
// (kVector), else element by element. `at` is a multiple of four, nothing at or beyond `count` is
// touched. Device code, and the host's question whether pieces are aligned.
#pragma once

#include <cstddef>
#include <cstdint>

namespace qe::kernels::cuda {

// Whether rows of T from `rows` on, `ld` elements apart, have aligned pieces of four.
template <class T>
bool aligned_fours(const T* rows, std::ptrdiff_t ld) {
  return reinterpret_cast<std::uintptr_t>(rows) % (4 * sizeof(T)) == 0 && ld % 4 == 0;
}

// Whether rows have aligned pairs, with an even `ld`.
template <class T>
bool aligned_pairs(const T* rows) {
  return reinterpret_cast<std::uintptr_t>(rows) % (2 * sizeof(T)) == 0;
}

// The end of a row as these functions take it: aligned rows consist of whole pieces.
template <bool kVector>
__device__ __forceinline__ int piece_end(int at, int cols) {
  return kVector ? at + 4 : cols;
}

template <bool kVector>
__device__ __forceinline__ void load_four(const float* row, int at, int count, float missing,
                                          float (&v)[4]) {
  if (kVector && at + 4 <= count) {
    const float4 four = *reinterpret_cast<const float4*>(row + at);
    v[0] = four.x;
    v[1] = four.y;
    v[2] = four.z;
    v[3] = four.w;
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    v[i] = at + i < count ? row[at + i] : missing;
  }
}

template <bool kVector>
__device__ __forceinline__ void store_four(float* row, int at, int count, const float (&v)[4]) {
  if (kVector && at + 4 <= count) {
    *reinterpret_cast<float4*>(row + at) = make_float4(v[0], v[1], v[2], v[3]);
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (at + i < count) {
      row[at + i] = v[i];
    }
  }
}

// Four bytes in a word, the first in its lowest bits.
__device__ __forceinline__ std::uint32_t pack_bytes(std::uint32_t a, std::uint32_t b,
                                                    std::uint32_t c, std::uint32_t d) {
  return a | b << 8U | c << 16U | d << 24U;
}

template <bool kVector>
__device__ __forceinline__ std::uint32_t load_four(const std::uint8_t* row, int at, int count,
                                                   std::uint8_t missing) {
  if (kVector && at + 4 <= count) {
    return *reinterpret_cast<const std::uint32_t*>(row + at);
  }
  const auto byte = [&](int i) { return at + i < count ? row[at + i] : missing; };
  return pack_bytes(byte(0), byte(1), byte(2), byte(3));
}

template <bool kVector>
__device__ __forceinline__ void store_four(std::uint8_t* row, int at, int count,
                                           std::uint32_t word) {
  if (kVector && at + 4 <= count) {
    *reinterpret_cast<std::uint32_t*>(row + at) = word;
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (at + i < count) {
      row[at + i] = static_cast<std::uint8_t>(word >> (8U * static_cast<unsigned>(i)));
    }
  }
}

}  // namespace qe::kernels::cuda
