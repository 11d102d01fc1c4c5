// C = A B by dnnl_sgemm, which packs and blocks by itself and needs no primitive for each shape.
#include "kernels/onednn/sgemm.h"

#include <dnnl.h>
#include <omp.h>

namespace qe::kernels::onednn {

bool available() noexcept { return true; }

void use_threads(int threads) noexcept { omp_set_num_threads(threads); }

void sgemm(const SgemmArgs& args) noexcept {
  dnnl_sgemm('N', args.b_transposed ? 'T' : 'N', args.m, args.n, args.k, 1.0F, args.a, args.lda,
             args.b, args.ldb, 0.0F, args.c, args.ldc);
}

}  // namespace qe::kernels::onednn
