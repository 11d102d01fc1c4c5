// The tensor core instructions in plain loops, written from their documentation (PTX ISA) and not
// from the kernels' maps: what ldmatrix hands to lanes, what mma.m16n8k32 and wgmma.m64nNk32
// multiply, where a bulk tensor copy with 128-byte swizzle puts bytes.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace qe::test {

using Bytes = std::vector<std::uint8_t>;
using Registers = std::array<std::uint32_t, 4>;  // of one lane

// A byte as the instruction reads it.
inline int operand_value(std::uint8_t byte, bool is_signed) {
  return is_signed ? static_cast<std::int8_t>(byte) : byte;
}

// ldmatrix.x4.b16: matrix i has its eight rows of 16 bytes at the addresses of lanes 8i to 8i + 7;
// lane l gets four bytes of row l / 4.
inline std::array<Registers, 32> emulate_ldmatrix(const Bytes& shared,
                                                  const std::array<int, 32>& addresses) {
  std::array<Registers, 32> lanes{};
  for (int lane = 0; lane < 32; ++lane) {
    for (int matrix = 0; matrix < 4; ++matrix) {
      const int at = addresses[static_cast<std::size_t>(matrix * 8 + lane / 4)] + lane % 4 * 4;
      std::memcpy(&lanes[static_cast<std::size_t>(lane)][static_cast<std::size_t>(matrix)],
                  shared.data() + at, 4);
    }
  }
  return lanes;
}

inline std::uint8_t byte_of(std::uint32_t word, int index) {
  return static_cast<std::uint8_t>(word >> (8 * index));
}

// mma.m16n8k32: "a0..a3 of row groupID (+ 8 for i in 4..7 and 12..15) and column
// 4 threadID_in_group + (i & 3) (+ 16 for i >= 8)", "b of row 4 threadID_in_group + (i & 3) (+ 16
// for i >= 4) and column groupID", "c of row groupID (+ 8 for i >= 2) and column
// 2 threadID_in_group + (i & 1)".
inline void emulate_mma(std::span<int> c /* [lane][4] */, const std::array<Registers, 32>& a,
                        const std::array<std::array<std::uint32_t, 2>, 32>& b, bool a_signed,
                        bool b_signed) {
  int left[16][32];
  int right[32][8];
  for (int lane = 0; lane < 32; ++lane) {
    const int group = lane / 4;
    const int thread = lane % 4;
    for (int i = 0; i < 16; ++i) {
      const int row = (i < 4 || (i >= 8 && i < 12)) ? group : group + 8;
      const int column = thread * 4 + (i & 3) + (i >= 8 ? 16 : 0);
      left[row][column] = operand_value(
          byte_of(a[static_cast<std::size_t>(lane)][static_cast<std::size_t>(i / 4)], i % 4),
          a_signed);
    }
    for (int i = 0; i < 8; ++i) {
      const int row = thread * 4 + (i & 3) + (i >= 4 ? 16 : 0);
      right[row][group] = operand_value(
          byte_of(b[static_cast<std::size_t>(lane)][static_cast<std::size_t>(i / 4)], i % 4),
          b_signed);
    }
  }
  for (int lane = 0; lane < 32; ++lane) {
    for (int i = 0; i < 4; ++i) {
      const int row = i < 2 ? lane / 4 : lane / 4 + 8;
      const int column = lane % 4 * 2 + (i & 1);
      for (int k = 0; k < 32; ++k) {
        c[static_cast<std::size_t>(lane * 4 + i)] += left[row][k] * right[k][column];
      }
    }
  }
}

// Where a copy with 128-byte swizzle puts byte `byte` of row `row`: address bits 4 to 6 are xored
// with bits 7 to 9.
inline std::uint32_t swizzled(std::uint32_t address) {
  return address ^ ((address >> 7U & 7U) << 4U);
}

// Element (row, k) of the operand that a K-major descriptor with 128-byte swizzle describes.
inline int descriptor_value(const Bytes& shared, std::uint64_t descriptor, int row, int k,
                            bool is_signed) {
  const auto start = static_cast<std::uint32_t>((descriptor & 0x3FFFU) << 4U);
  const auto stride = static_cast<std::uint32_t>((descriptor >> 32U & 0x3FFFU) << 4U);
  const std::uint32_t linear = start + static_cast<std::uint32_t>(row) / 8 * stride +
                               static_cast<std::uint32_t>(row) % 8 * 128 +
                               static_cast<std::uint32_t>(k);
  return operand_value(shared.at(swizzled(linear)), is_signed);
}

// wgmma.m64nNk32 with both operands in shared memory, for one warp of the four: registers
// d[lane][N / 2], "row 16 (warp % 4) + lane / 4 + 8 ((i / 2) % 2), column
// 8 (i / 4) + 2 (lane % 4) + i % 2".
inline void emulate_wgmma(std::span<int> d, int columns, int warp, const Bytes& shared,
                          std::uint64_t a, std::uint64_t b, bool a_signed, bool b_signed) {
  std::vector<int> right(static_cast<std::size_t>(columns) * 32);
  for (int n = 0; n < columns; ++n) {
    for (int k = 0; k < 32; ++k) {
      right[static_cast<std::size_t>(n * 32 + k)] = descriptor_value(shared, b, n, k, b_signed);
    }
  }
  for (int row = 0; row < 16; ++row) {
    int left[32];
    for (int k = 0; k < 32; ++k)
      left[k] = descriptor_value(shared, a, warp * 16 + row, k, a_signed);
    for (int n = 0; n < columns; ++n) {
      int sum = 0;
      for (int k = 0; k < 32; ++k) sum += left[k] * right[static_cast<std::size_t>(n * 32 + k)];
      const int lane = row % 8 * 4 + n % 8 / 2;
      const int i = n / 8 * 4 + row / 8 * 2 + n % 2;
      d[static_cast<std::size_t>(lane * (columns / 2) + i)] += sum;
    }
  }
}

}  // namespace qe::test
