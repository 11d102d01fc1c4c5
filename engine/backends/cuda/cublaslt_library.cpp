// The library of the major version whose header was compiled.
#include "engine/backends/cuda/cublaslt_library.h"

#include <string>

#include "engine/backends/cuda/shared_library.h"

namespace qe::cuda {

CublasLt load_cublaslt() {
  const auto library =
      std::make_shared<SharedLibrary>("libcublasLt.so." + std::to_string(CUBLAS_VER_MAJOR));
  CublasLt found{.library = library};
  library->find(found.create, "cublasLtCreate");
  library->find(found.destroy, "cublasLtDestroy");
  library->find(found.desc_create, "cublasLtMatmulDescCreate");
  library->find(found.desc_destroy, "cublasLtMatmulDescDestroy");
  library->find(found.desc_set, "cublasLtMatmulDescSetAttribute");
  library->find(found.layout_create, "cublasLtMatrixLayoutCreate");
  library->find(found.layout_destroy, "cublasLtMatrixLayoutDestroy");
  library->find(found.preference_create, "cublasLtMatmulPreferenceCreate");
  library->find(found.preference_destroy, "cublasLtMatmulPreferenceDestroy");
  library->find(found.preference_set, "cublasLtMatmulPreferenceSetAttribute");
  library->find(found.get_heuristic, "cublasLtMatmulAlgoGetHeuristic");
  library->find(found.matmul, "cublasLtMatmul");
  return found;
}

}  // namespace qe::cuda
