// The warp group's integer matrix instruction on the host, written from the PTX ISA ("Asynchronous
// Warpgroup Level Matrix Multiply-Accumulate": register fragments of m64nNk32, matrix descriptor).
// Each warp makes its own 16 rows; a batch is carried out when it is committed or as late as it is
// waited for.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "kernels/cuda/product.h"
#include "kernels/cuda/ptx/hopper.h"
#include "tests/cuda/simt/grid.h"

namespace qe::kernels::cuda {

// Byte `k` of row `row` of the operand that a descriptor with 128-byte swizzling names.
inline std::byte descriptor_byte(std::uint64_t descriptor, int row, int k) {
  const auto start = static_cast<std::uint32_t>(descriptor & 0x3FFFU) << 4U;
  const auto stride = static_cast<std::uint32_t>(descriptor >> 32U & 0x3FFFU) << 4U;
  if (descriptor >> 62U != 1) throw simt::Failure("the descriptor has another swizzling mode");
  const std::uint32_t address = start + static_cast<std::uint32_t>(row / 8) * stride +
                                static_cast<std::uint32_t>(row % 8 * 128 + k);
  return *simt::shared_at(swizzle_128(address), 1);
}

inline int as_operand(std::byte value, bool is_signed) {
  return is_signed ? static_cast<std::int8_t>(value) : static_cast<std::uint8_t>(value);
}

struct WarpProduct {
  std::array<int*, simt::kLanes> d;
  std::uint64_t a, b;
  int registers, accumulate, first_row;
  bool a_signed, b_signed;

  void carry_out() const {
    const int columns = registers * 2;
    std::vector<int> right(static_cast<std::size_t>(columns) * 32);
    for (int column = 0; column < columns; ++column) {
      for (int k = 0; k < 32; ++k) {
        right[static_cast<std::size_t>(column * 32 + k)] =
            as_operand(descriptor_byte(b, column, k), b_signed);
      }
    }
    for (int row = 0; row < 16; ++row) {
      std::array<int, 32> left{};
      for (int k = 0; k < 32; ++k) {
        left[static_cast<std::size_t>(k)] =
            as_operand(descriptor_byte(a, first_row + row, k), a_signed);
      }
      for (int column = 0; column < columns; ++column) {
        int sum = 0;
        for (std::size_t k = 0; k < 32; ++k) {
          sum += left[k] * right[static_cast<std::size_t>(column) * 32 + k];
        }
        const int lane = row % 8 * 4 + column % 8 / 2;
        const int i = column / 8 * 4 + row / 8 * 2 + column % 2;
        int& result = d[static_cast<std::size_t>(lane)][i];
        result = accumulate != 0 ? result + sum : sum;
      }
    }
  }
};

template <Signs kSigns, int kRegisters>
void wgmma(int (&d)[kRegisters], std::uint64_t a, std::uint64_t b, int accumulate) {
  struct Lane {
    int* d;
    std::uint64_t a, b;
    int accumulate;
  } mine{d, a, b, accumulate};
  simt::meet_warp("wgmma", &mine, [](std::span<void* const> lanes) {
    const auto& first = *static_cast<Lane*>(lanes[0]);
    WarpProduct product{{},
                        first.a,
                        first.b,
                        kRegisters,
                        first.accumulate,
                        simt::warp_in_block() % 4 * 16,
                        kSigns != Signs::kU8S8,
                        kSigns != Signs::kS8U8};
    for (std::size_t i = 0; i < lanes.size(); ++i) {
      const auto& lane = *static_cast<Lane*>(lanes[i]);
      if (lane.a != first.a || lane.b != first.b) throw simt::Failure("descriptors differ");
      product.d[i] = lane.d;
    }
    simt::warp_products().issue([product] { product.carry_out(); });
  });
}

inline void wgmma_fence() {
  simt::meet_warp("wgmma.fence", nullptr, [](auto) {});
}
inline void wgmma_commit() {
  simt::meet_warp("wgmma.commit", nullptr, [](auto) { simt::warp_products().commit(); });
}
template <int kPending>
void wgmma_wait() {
  simt::meet_warp("wgmma.wait", nullptr, [](auto) { simt::warp_products().wait(kPending); });
}
template <int kSlabs, int kRegisters>
void hold(int (&)[kSlabs][kRegisters]) {}

}  // namespace qe::kernels::cuda
