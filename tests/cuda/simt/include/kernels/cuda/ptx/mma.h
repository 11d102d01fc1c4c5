// Instructions of compute capability 8.0 on the host, written from the PTX ISA ("cp.async",
// "ldmatrix", "Matrix Fragments for mma.m16n8k32" and "for mma.m16n8k16 with floating point type"),
// not from the maps that kernels use.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cuda/product.h"
#include "tests/cuda/halves.h"
#include "tests/cuda/simt/grid.h"

namespace qe::kernels::cuda {

inline void copy_async(std::uint32_t to, const void* from, int bytes) {
  if (to % 16 != 0 || reinterpret_cast<std::uintptr_t>(from) % 16 != 0) {
    throw simt::Failure("an asynchronous copy is not aligned to 16 bytes");
  }
  std::byte* const inside = simt::shared_at(to, 16);
  std::memset(inside, 0xA5, 16);  // what is there until the copy is waited for
  simt::thread_copies().issue([inside, from, bytes] {
    std::memset(inside, 0, 16);
    std::memcpy(inside, from, static_cast<std::size_t>(bytes));
  });
}
inline void commit_copies() { simt::thread_copies().commit(); }
template <int kPending>
void wait_copies() {
  simt::thread_copies().wait(kPending);
}

// Four 8 x 8 matrices of 16-bit elements; lane 4 i + j gets elements 2 j and 2 j + 1 of row i or,
// transposed, of column i.
template <bool kTransposed>
void load_four_matrices(std::uint32_t (&r)[4], std::uint32_t address) {
  struct Lane {
    std::uint32_t* registers;
    std::uint32_t address;
  } mine{r, address};
  simt::meet_warp("ldmatrix", &mine, [](std::span<void* const> lanes) {
    const auto lane = [&](int i) { return static_cast<Lane*>(lanes[static_cast<std::size_t>(i)]); };
    const auto element = [&](int matrix, int row, int column) {
      const std::uint32_t from = lane(matrix * 8 + row)->address;
      if (from % 16 != 0) throw simt::Failure("a row of ldmatrix is not aligned to 16 bytes");
      std::uint16_t value = 0;
      std::memcpy(&value, simt::shared_at(from, 16) + column * 2, 2);
      return value;
    };
    for (int matrix = 0; matrix < 4; ++matrix) {
      for (int i = 0; i < simt::kLanes; ++i) {
        const int line = i / 4;
        const int pair = i % 4 * 2;
        const std::uint32_t low =
            kTransposed ? element(matrix, pair, line) : element(matrix, line, pair);
        const std::uint32_t high =
            kTransposed ? element(matrix, pair + 1, line) : element(matrix, line, pair + 1);
        lane(i)->registers[matrix] = low | high << 16U;
      }
    }
  });
}
inline void load_matrices(std::uint32_t (&r)[4], std::uint32_t address) {
  load_four_matrices<false>(r, address);
}
inline void load_matrices_transposed(std::uint32_t (&r)[4], std::uint32_t address) {
  load_four_matrices<true>(r, address);
}

// Products of halves are exact in float; the order of their sum is the hardware's own, here that
// of the depth.
inline void multiply_halves(float (&d)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                            std::uint32_t b1) {
  struct Lane {
    float* d;
    const std::uint32_t* a;
    std::uint32_t b[2];
  } mine{d, a, {b0, b1}};
  simt::meet_warp("mma of halves", &mine, [](std::span<void* const> lanes) {
    const auto lane = [&](int i) { return static_cast<Lane*>(lanes[static_cast<std::size_t>(i)]); };
    const auto half = [](std::uint32_t word, int k) {
      return test::half_value(static_cast<std::uint16_t>(word >> (k % 2 * 16)));
    };
    for (int row = 0; row < 16; ++row) {
      for (int column = 0; column < 8; ++column) {
        float sum = lane(row % 8 * 4 + column / 2)->d[row / 8 * 2 + column % 2];
        for (int k = 0; k < 16; ++k) {
          const int group = k % 8 / 2;
          sum += half(lane(row % 8 * 4 + group)->a[k / 8 * 2 + row / 8], k) *
                 half(lane(column * 4 + group)->b[k / 8], k);
        }
        lane(row % 8 * 4 + column / 2)->d[row / 8 * 2 + column % 2] = sum;
      }
    }
  });
}

// A byte of a register as an operand of the given type.
inline int operand_byte(std::uint32_t word, int byte, bool is_signed) {
  const auto value = static_cast<std::uint8_t>(word >> (8 * byte));
  return is_signed ? static_cast<std::int8_t>(value) : value;
}

template <Signs kSigns>
void multiply(int* d, const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  struct Lane {
    int* d;
    const std::uint32_t* a;
    std::uint32_t b[2];
  } mine{d, a, {b0, b1}};
  simt::meet_warp("mma", &mine, [](std::span<void* const> lanes) {
    constexpr bool kASigned = kSigns != Signs::kU8S8;
    constexpr bool kBSigned = kSigns != Signs::kS8U8;
    const auto lane = [&](int i) { return static_cast<Lane*>(lanes[static_cast<std::size_t>(i)]); };
    for (int row = 0; row < 16; ++row) {
      for (int column = 0; column < 8; ++column) {
        int sum = 0;
        for (int k = 0; k < 32; ++k) {
          const int word = row / 8 + k / 16 * 2;
          const std::uint32_t a_word = lane(row % 8 * 4 + k % 16 / 4)->a[word];
          const std::uint32_t b_word = lane(column * 4 + k % 16 / 4)->b[k / 16];
          sum += operand_byte(a_word, k % 4, kASigned) * operand_byte(b_word, k % 4, kBSigned);
        }
        lane(row % 8 * 4 + column / 2)->d[row / 8 * 2 + column % 2] += sum;
      }
    }
  });
}

}  // namespace qe::kernels::cuda
