// The explicit list of instruction sets and the overlay that fills each table.
#include "kernels/kernel_table.h"

namespace qe::kernels {

const char* isa_name(Isa isa) {
  switch (isa) {
    case Isa::kReference:
      return "reference";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512Vnni:
      return "avx512_vnni";
  }
  return "unknown";
}

std::vector<Isa> available_isas() { return {Isa::kReference}; }

}  // namespace qe::kernels
