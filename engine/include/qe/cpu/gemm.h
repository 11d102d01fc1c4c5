// One integer matrix product on the CPU by itself, without a graph: the weights are packed once, a
// team of threads then multiplies any rows with them.
#pragma once

#include <memory>
#include <optional>

#include <qe/gemm_operands.h>
#include <qe/isa.h>

namespace qe::cpu {

struct GemmOptions {
  int threads = 1;
  bool pin_threads = false;     // thread i to the i-th CPU this process may use
  std::optional<Isa> isa = {};  // none: default_isa()
};

class Gemm {
 public:
  // Reads the weights and keeps a packed copy. Throws UsageError, ResourceError.
  Gemm(const GemmWeights& weights, const GemmOptions& options);
  ~Gemm();
  Gemm(Gemm&&) noexcept;
  Gemm& operator=(Gemm&&) noexcept;

  // On return all results are there. Activations are kU8, each row with round_up(k, 4) readable
  // bytes; results kU8 or kF32. One caller at a time. Throws UsageError for arguments that
  // contradict <qe/gemm_operands.h> or this.
  void run(const GemmOperands& operands);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace qe::cpu
