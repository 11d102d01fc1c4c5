// Stands in for oneDNN in an INT8-only build: plans refuse float products before any call.
#include "kernels/onednn/sgemm.h"

namespace qe::kernels::onednn {

bool available() noexcept { return false; }

void use_calling_thread_only() noexcept {}

void sgemm(const SgemmArgs&) noexcept {}

}  // namespace qe::kernels::onednn
