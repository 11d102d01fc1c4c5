// Names of instruction sets and the QE_ISA cap.
#include <qe/isa.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "kernels/kernel_table.h"

#include <qe/error.h>

namespace qe {
namespace {

constexpr Isa kAll[] = {Isa::kReference, Isa::kAvx2, Isa::kAvx512Vnni, Isa::kAmx};

}  // namespace

std::string_view name(Isa isa) { return kernels::isa_name(isa); }

std::optional<Isa> parse_isa(std::string_view text) {
  for (const Isa isa : kAll) {
    if (text == name(isa)) return isa;
  }
  return std::nullopt;
}

std::vector<Isa> available_isas() { return kernels::available_isas(); }

Isa default_isa() {
  const Isa best = available_isas().back();
  const char* const cap = std::getenv("QE_ISA");
  if (cap == nullptr || *cap == '\0') return best;
  const std::optional<Isa> wanted = parse_isa(cap);
  if (!wanted) {
    throw UsageError({.problem = "unknown instruction set",
                      .name = "QE_ISA",
                      .expected = "reference, avx2, avx512_vnni or amx",
                      .actual = cap});
  }
  return std::min(*wanted, best);
}

}  // namespace qe
