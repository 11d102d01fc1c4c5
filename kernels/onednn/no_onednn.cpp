// Stands in for oneDNN in an INT8-only build: plans refuse float products before any call.
#include "kernels/onednn/convolution.h"
#include "kernels/onednn/sgemm.h"

namespace qe::kernels::onednn {

bool available() noexcept { return false; }

void use_threads(int) noexcept {}

void sgemm(const SgemmArgs&) noexcept {}

struct Convolution::Impl {};

Convolution::Convolution(const ConvolutionShape&, const ConvolutionEpilogue&, const float*,
                         const float*, int) {}
Convolution::~Convolution() = default;
Convolution::Convolution(Convolution&&) noexcept = default;
Convolution& Convolution::operator=(Convolution&&) noexcept = default;
void Convolution::run(const float*, const float*, float*, int, std::byte*) const noexcept {}
std::size_t Convolution::scratch_bytes() const noexcept { return 0; }
std::size_t Convolution::weight_bytes() const noexcept { return 0; }

}  // namespace qe::kernels::onednn
