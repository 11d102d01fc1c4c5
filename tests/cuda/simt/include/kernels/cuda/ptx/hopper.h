// Instructions of compute capability 9.0 that move operands, on the host, written from the PTX ISA
// ("mbarrier", "cp.async.bulk.tensor", "Swizzling modes"). Copies arrive some time later.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <cstring>

#include "tests/cuda/simt/grid.h"

namespace qe::kernels::cuda {

inline void init_barrier(std::uint32_t barrier, int arrivals) {
  simt::init_barrier(barrier, arrivals);
}
inline void publish_barriers() {}
inline void arrive(std::uint32_t barrier) {
  simt::arrive_at_barrier(simt::block_in_cluster(), barrier, 0);
}
inline void arrive_expecting(std::uint32_t barrier, int bytes) {
  simt::arrive_at_barrier(simt::block_in_cluster(), barrier, bytes);
}
inline void wait_barrier(std::uint32_t barrier, std::uint32_t parity) {
  simt::wait_for_barrier(barrier, parity);
}

inline void prefetch_tensor_map(const CUtensorMap&) {}

// Where byte `address` of a pattern of 1024 bytes lies with 128-byte swizzling: bits 4 to 6 take in
// bits 7 to 9.
inline std::uint32_t swizzle_128(std::uint32_t address) {
  return address ^ (address >> 7U & 7U) << 4U;
}

inline void copy_box(int block, std::uint32_t to, const CUtensorMap& map, int depth, int row,
                     std::uint32_t barrier) {
  const std::uint32_t width = map.box_columns;
  const std::uint32_t bytes = width * map.box_rows;
  if (to % 128 != 0) throw simt::Failure("a tensor copy is not aligned to 128 bytes");
  std::memset(simt::shared_at(block, to, bytes), 0xA5, bytes);
  simt::later([=] {
    for (std::uint32_t i = 0; i < bytes; ++i) {
      const std::int64_t y = std::int64_t{row} + i / width;
      const std::int64_t x = std::int64_t{depth} + i % width;
      const bool inside = x >= 0 && y >= 0 && x < static_cast<std::int64_t>(map.columns) &&
                          y < static_cast<std::int64_t>(map.rows);
      const auto* const from = static_cast<const std::byte*>(map.base);
      *simt::shared_at(block, swizzle_128(to + i), 1) =
          inside ? from[y * static_cast<std::int64_t>(map.stride) + x] : std::byte{0};
    }
    simt::complete_transactions(block, barrier, static_cast<int>(bytes));
  });
}

inline void copy_tile(std::uint32_t to, const CUtensorMap& map, int depth, int row,
                      std::uint32_t barrier) {
  copy_box(simt::block_in_cluster(), to, map, depth, row, barrier);
}
inline void copy_tile_to(std::uint16_t blocks, std::uint32_t to, const CUtensorMap& map, int depth,
                         int row, std::uint32_t barrier) {
  for (int block = 0; block < 16; ++block) {
    if ((blocks >> block & 1) != 0) copy_box(block, to, map, depth, row, barrier);
  }
}

inline std::uint32_t block_in_cluster() {
  return static_cast<std::uint32_t>(simt::block_in_cluster());
}
inline void arrive_at(std::uint32_t rank, std::uint32_t barrier) {
  simt::arrive_at_barrier(static_cast<int>(rank), barrier, 0);
}
inline void wait_for_cluster() { simt::meet_cluster(); }

template <int kRegisters>
void take_registers() {}
template <int kRegisters>
void give_registers() {}

}  // namespace qe::kernels::cuda
