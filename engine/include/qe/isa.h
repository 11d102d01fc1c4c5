// Instruction sets with integer kernels of their own. All of them give the same bits for integer
// models (docs/numerics.md); they differ in speed alone.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace qe {

enum class Isa : std::uint8_t { kReference, kAvx2, kAvx512Vnni, kAmx };

std::string_view name(Isa isa);  // "reference", "avx2", "avx512_vnni", "amx"
std::optional<Isa> parse_isa(std::string_view text);

// Those this CPU and operating system can run, slowest first; kReference is always there.
std::vector<Isa> available_isas();

// The fastest available one, capped by the environment variable QE_ISA where set. Throws UsageError
// if QE_ISA names no instruction set; a cap above what the CPU has takes what the CPU has.
Isa default_isa();

}  // namespace qe
