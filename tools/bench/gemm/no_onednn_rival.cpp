// Stands in for oneDNN in a build without it.
#include "tools/bench/gemm/cpu_rival.h"

namespace qe::tools {

bool has_cpu_rival() { return false; }

std::vector<CpuRival> cpu_rivals(const GemmShape&, const CpuOperands&, int) { return {}; }

}  // namespace qe::tools
