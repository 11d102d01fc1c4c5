// Float matrix product through oneDNN. Only one of two thread teams may be awake: either the caller
// splits the work over its own threads and every call stays on its thread, or the caller has one
// thread and oneDNN's OpenMP team does the work. Built without oneDNN, available() is false
// and sgemm must not be called.
#pragma once

#include <cstddef>

namespace qe::kernels::onednn {

bool available() noexcept;

// Call on every thread before it calls the products below (cheap): the threads that OpenMP uses for
// them, the calling one included.
void use_threads(int threads) noexcept;

struct SgemmArgs {
  int m, n, k;
  const float* a;  // [m][k]
  std::ptrdiff_t lda;
  const float* b;  // [n][k] if transposed, else [k][n]
  std::ptrdiff_t ldb;
  bool b_transposed;
  float* c;  // [m][n]
  std::ptrdiff_t ldc;
};

void sgemm(const SgemmArgs& args) noexcept;

}  // namespace qe::kernels::onednn
