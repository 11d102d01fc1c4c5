// cuBLASLt's products on the host, and the library found without a loader.
#include <cublasLt.h>

#include <cstring>
#include <utility>

#include <qe/error.h>

#include "engine/backends/cuda/cublaslt_library.h"
#include "tests/cuda/halves.h"

namespace {

float element(const void* matrix, const cublasLtMatrixLayoutOpaque_t& layout, std::uint64_t row,
              std::uint64_t col) {
  const std::uint64_t at = col * static_cast<std::uint64_t>(layout.ld) + row;
  if (layout.type == CUDA_R_32F) return static_cast<const float*>(matrix)[at];
  return qe::test::half_value(static_cast<const std::uint16_t*>(matrix)[at]);
}

void store(void* matrix, const cublasLtMatrixLayoutOpaque_t& layout, std::uint64_t row,
           std::uint64_t col, float value) {
  const std::uint64_t at = col * static_cast<std::uint64_t>(layout.ld) + row;
  if (layout.type == CUDA_R_32F) {
    static_cast<float*>(matrix)[at] = value;
  } else {
    static_cast<std::uint16_t*>(matrix)[at] = qe::test::half_bits(value);
  }
}

struct Problem {
  cublasLtMatmulDescOpaque_t desc;
  cublasLtMatrixLayoutOpaque_t a_layout, b_layout, c_layout, d_layout;
  const void* a;
  const void* b;
  const void* c;
  void* d;
  float alpha, beta;

  bool consistent() const {
    return desc.a_operation == CUBLAS_OP_T && a_layout.type == CUDA_R_16F &&
           b_layout.type == CUDA_R_16F && c_layout.type == d_layout.type &&
           a_layout.rows == b_layout.rows && a_layout.cols == d_layout.rows &&
           b_layout.cols == d_layout.cols && c_layout.rows == d_layout.rows &&
           c_layout.cols == d_layout.cols && long_enough(a_layout) && long_enough(b_layout) &&
           long_enough(c_layout) && long_enough(d_layout);
  }
  static bool long_enough(const cublasLtMatrixLayoutOpaque_t& layout) {
    return layout.rows > 0 && layout.cols > 0 &&
           static_cast<std::uint64_t>(layout.ld) >= layout.rows;
  }

  float sum(std::uint64_t row, std::uint64_t col) const {
    float sum = 0.0F;
    for (std::uint64_t k = 0; k < a_layout.rows; ++k) {
      sum += element(a, a_layout, k, row) * element(b, b_layout, k, col);
    }
    return sum;
  }
  void compute() const {
    const cublasLtMatrixLayoutOpaque_t bias{d_layout.type, d_layout.rows, 1, 1};
    for (std::uint64_t col = 0; col < d_layout.cols; ++col) {
      for (std::uint64_t row = 0; row < d_layout.rows; ++row) {
        float y = alpha * sum(row, col);
        if (beta != 0.0F) y += beta * element(c, c_layout, row, col);
        if ((desc.epilogue & CUBLASLT_EPILOGUE_BIAS) != 0) y += element(desc.bias, bias, row, 0);
        if ((desc.epilogue & CUBLASLT_EPILOGUE_RELU) != 0 && y < 0.0F) y = 0.0F;
        store(d, d_layout, row, col, y);
      }
    }
  }
};

template <class T>
cublasStatus_t create(T** object, T value) {
  *object = new T(std::move(value));
  return CUBLAS_STATUS_SUCCESS;
}
template <class T>
cublasStatus_t destroy(T* object) {
  delete object;
  return CUBLAS_STATUS_SUCCESS;
}

template <class T>
cublasStatus_t take(T& to, const void* value, std::size_t bytes) {
  if (bytes != sizeof(T)) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

bool aligned(const void* pointer, std::uint32_t alignment) {
  return reinterpret_cast<std::uintptr_t>(pointer) % alignment == 0;
}

}  // namespace

namespace qe::simt {

HalfLibrary& half_library() {
  static HalfLibrary library;
  return library;
}

}  // namespace qe::simt

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) { return create(handle, {}); }
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) { return destroy(handle); }
cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* desc, cublasComputeType_t,
                                        cudaDataType_t) {
  return create(desc, {});
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t desc) { return destroy(desc); }
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t desc,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, std::size_t bytes) {
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return take(desc->a_operation, value, bytes);
    case CUBLASLT_MATMUL_DESC_EPILOGUE:
      return take(desc->epilogue, value, bytes);
    case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
      return take(desc->bias, value, bytes);
  }
  return CUBLAS_STATUS_INVALID_VALUE;
}
cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          std::uint64_t rows, std::uint64_t cols, std::int64_t ld) {
  return create(layout, {type, rows, cols, ld});
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy(layout);
}
cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return create(preference, {});
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy(preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, std::size_t bytes) {
  if (attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) {
    return take(preference->workspace, value, bytes);
  }
  return take(preference->alignment[attribute - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES], value,
              bytes);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t preference, int,
                                              cublasLtMatmulHeuristicResult_t results[],
                                              int* found) {
  if (!qe::simt::half_library().supports_products) {
    *found = 0;
    return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  results[0] = {.algo = {.workspace = preference->workspace, .alignment = {}},
                .workspaceSize = preference->workspace,
                .state = CUBLAS_STATUS_SUCCESS};
  std::memcpy(results[0].algo.alignment, preference->alignment, sizeof(preference->alignment));
  *found = 1;
  return CUBLAS_STATUS_SUCCESS;
}

// Writes all of the workspace, as an algorithm may that splits the depth.
cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t desc, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* algo,
                              void* workspace, std::size_t workspace_bytes, cudaStream_t stream) {
  if (qe::simt::half_library().product_status != CUBLAS_STATUS_SUCCESS) {
    return qe::simt::half_library().product_status;
  }
  const Problem problem{*desc,
                        *a_layout,
                        *b_layout,
                        *c_layout,
                        *d_layout,
                        a,
                        b,
                        c,
                        d,
                        *static_cast<const float*>(alpha),
                        *static_cast<const float*>(beta)};
  const bool right = problem.consistent() && workspace_bytes >= algo->workspace &&
                     aligned(a, 256) && aligned(b, algo->alignment[0]) &&
                     aligned(c, algo->alignment[1]) && aligned(d, algo->alignment[2]) &&
                     aligned(workspace, 256);
  if (!right) return CUBLAS_STATUS_INVALID_VALUE;
  const cudaError_t error = qe::simt::enqueue_work(stream, [=] {
    std::memset(workspace, 0xEE, workspace_bytes);
    problem.compute();
  });
  return error == cudaSuccess ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}

namespace qe::cuda {

CublasLt load_cublaslt() {
  if (simt::half_library().missing) {
    throw DeviceError(
        {.problem = "a library that the model needs cannot be loaded", .name = "libcublasLt.so"});
  }
  return {.library = nullptr,
          .create = &cublasLtCreate,
          .destroy = &cublasLtDestroy,
          .desc_create = &cublasLtMatmulDescCreate,
          .desc_destroy = &cublasLtMatmulDescDestroy,
          .desc_set = &cublasLtMatmulDescSetAttribute,
          .layout_create = &cublasLtMatrixLayoutCreate,
          .layout_destroy = &cublasLtMatrixLayoutDestroy,
          .preference_create = &cublasLtMatmulPreferenceCreate,
          .preference_destroy = &cublasLtMatmulPreferenceDestroy,
          .preference_set = &cublasLtMatmulPreferenceSetAttribute,
          .get_heuristic = &cublasLtMatmulAlgoGetHeuristic,
          .matmul = &cublasLtMatmul};
}

}  // namespace qe::cuda
