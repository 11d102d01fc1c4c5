// Instructions of compute capability 8.0 on the host, written from the PTX ISA ("cp.async",
// "ldmatrix", "Matrix Fragments for mma.m16n8k32"), not from the maps that kernels use.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/cuda/product.h"
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

inline void load_matrices(std::uint32_t (&r)[4], std::uint32_t address) {
  struct Lane {
    std::uint32_t* registers;
    std::uint32_t address;
  } mine{r, address};
  simt::meet_warp("ldmatrix", &mine, [](std::span<void* const> lanes) {
    const auto lane = [&](int i) { return static_cast<Lane*>(lanes[static_cast<std::size_t>(i)]); };
    for (int matrix = 0; matrix < 4; ++matrix) {
      for (int i = 0; i < simt::kLanes; ++i) {
        const std::uint32_t row = lane(matrix * 8 + i / 4)->address;
        if (row % 16 != 0) throw simt::Failure("a row of ldmatrix is not aligned to 16 bytes");
        std::memcpy(&lane(i)->registers[matrix], simt::shared_at(row, 16) + i % 4 * 4, 4);
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
