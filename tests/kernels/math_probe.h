// The vector math headers are templates without an entry of their own in the kernel table; these
// probes give the math test one, compiled for each instruction set.
#pragma once

#include <cstdint>

namespace qe::test {

enum class Function : std::uint8_t {
  kExp,
  kExp255,
  kTanh,
  kSigmoid,
  kSilu,
  kGeluErf,
  kGeluTanh,
  kGeluErfPrecise,
  kGeluTanhPrecise
};

// y[i] = function(x[i]) for 16 elements, by the vector code of one instruction set.
void probe_avx2(Function function, const float* x, float* y);
void probe_avx512_vnni(Function function, const float* x, float* y);

}  // namespace qe::test
