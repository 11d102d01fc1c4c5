// Loops that measure what the machine can do at most, to put beside what a kernel does: u8 x s8
// multiply-accumulate from registers alone, a chain that counts cycles, and a plain read of memory.
#pragma once

#include <cstddef>
#include <cstdint>

#include <qe/isa.h>

namespace qe::kernels {

// One instruction set's multiply loop: `run` executes `iterations` times `macs` multiply-adds on
// independent accumulators held in registers and returns a value that depends on all of them.
struct PeakLoop {
  std::int64_t macs;
  std::int32_t (*run)(std::int64_t iterations) noexcept;
};

// The loop of an available instruction set: tdpbusd, vpdpbusd, or vpmaddwd + vpaddd on 16-bit
// values without VNNI.
PeakLoop int8_peak_loop(Isa isa);

// Runs `iterations` times kCyclesPerChain register additions, each waiting for the one before: one
// cycle each on every x86-64 CPU.
inline constexpr std::int64_t kCyclesPerChain = 64;
std::uint64_t run_cycle_chain(std::int64_t iterations) noexcept;

// Reads `bytes` bytes (a multiple of 64) in ascending order, one word of each cache line: few
// instructions, so that as many lines as possible are under way at once.
std::uint64_t read_bytes(const std::byte* memory, std::size_t bytes) noexcept;

namespace avx2 {
extern const PeakLoop kPeakLoop;
}
namespace avx512_vnni {
extern const PeakLoop kPeakLoop;
}
namespace amx {
extern const PeakLoop kPeakLoop;
}

}  // namespace qe::kernels
