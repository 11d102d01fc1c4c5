// Float matrix product through oneDNN, one thread at a time: the caller splits the work over its
// own threads, so that oneDNN's OpenMP team never wakes. Built without oneDNN, available() is false
// and sgemm must not be called.
#pragma once

#include <cstddef>

namespace qe::kernels::onednn {

bool available() noexcept;

// Call on every thread before it calls the products below (cheap): keeps OpenMP to that thread.
void use_calling_thread_only() noexcept;

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
