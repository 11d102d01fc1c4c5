// The measuring loops that need no instruction set of their own.
#include "kernels/peak.h"

#include <cstring>

namespace qe::kernels {
namespace {

// Without AVX2 there is no vector kernel and no meaningful peak: plain code, one product at a time.
constexpr std::int64_t kScalarMacs = 16;

std::int32_t multiply_scalar(std::int64_t iterations) noexcept {
  std::int32_t sum = 0;
  for (std::int64_t i = 0; i < iterations * kScalarMacs; ++i) {
    sum += static_cast<std::uint8_t>(i) * static_cast<std::int8_t>(sum);
  }
  return sum;
}

}  // namespace

PeakLoop int8_peak_loop(Isa isa) {
  switch (isa) {
    case Isa::kAmx:
      return amx::kPeakLoop;
    case Isa::kAvx512Vnni:
      return avx512_vnni::kPeakLoop;
    case Isa::kAvx2:
      return avx2::kPeakLoop;
    case Isa::kReference:
      break;
  }
  return {kScalarMacs, multiply_scalar};
}

std::uint64_t run_cycle_chain(std::int64_t iterations) noexcept {
  std::uint64_t sum = 0;
  const std::uint64_t addend = 1;
  for (std::int64_t i = 0; i < iterations; ++i) {
    // Register operands: newer CPUs add small immediates for free while renaming.
    asm volatile(
        ".rept 64\n\t"
        "add %1, %0\n\t"
        ".endr"
        : "+r"(sum)
        : "r"(addend));
  }
  return sum;
}

std::uint64_t read_bytes(const std::byte* memory, std::size_t bytes) noexcept {
  constexpr std::size_t kLine = 64;
  constexpr std::size_t kAhead = 4096;
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < bytes; at += kLine) {
    __builtin_prefetch(memory + at + kAhead, 0, 2);
    std::uint64_t word;
    std::memcpy(&word, memory + at, sizeof(word));
    sum += word;
  }
  return sum;
}

}  // namespace qe::kernels
