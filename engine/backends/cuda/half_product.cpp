// cuBLASLt has columns where rows are here: its D is y transposed, its A the weights, its B x.
#include "engine/backends/cuda/half_product.h"

#include <cstdint>
#include <string>

#include <qe/error.h>

#include "engine/backends/cuda/runtime.h"

namespace qe::cuda {
namespace {

int launch_error(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return cudaSuccess;
    case CUBLAS_STATUS_ALLOC_FAILED:
      return cudaErrorMemoryAllocation;
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return cudaErrorNotSupported;
    default:
      return kLibraryStatus + static_cast<int>(status);
  }
}

// The descriptions of one call. After a failure the others do nothing.
class Call {
 public:
  explicit Call(const CublasLt& library) : library_(library) {}
  ~Call() {
    for (const cublasLtMatrixLayout_t layout : {w_, x_, residual_, y_}) {
      if (layout != nullptr) library_.layout_destroy(layout);
    }
    if (preference_ != nullptr) library_.preference_destroy(preference_);
    if (desc_ != nullptr) library_.desc_destroy(desc_);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  void describe(const HalfProduct& p) {
    const cudaDataType_t out = p.float_out ? CUDA_R_32F : CUDA_R_16F;
    next([&] { return library_.desc_create(&desc_, CUBLAS_COMPUTE_32F, CUDA_R_32F); });
    set(CUBLASLT_MATMUL_DESC_TRANSA, static_cast<std::int32_t>(CUBLAS_OP_T));
    if (p.bias != nullptr) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias);
    std::uint32_t epilogue = 0;
    if (p.bias != nullptr) epilogue |= CUBLASLT_EPILOGUE_BIAS;
    if (p.relu) epilogue |= CUBLASLT_EPILOGUE_RELU;
    if (epilogue != 0) set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
    layout(w_, CUDA_R_16F, p.k, p.n, p.ldw);
    layout(x_, CUDA_R_16F, p.k, p.m, p.ldx);
    layout(residual_, out, p.n, p.m, p.residual != nullptr ? p.ld_residual : p.ldy);
    layout(y_, out, p.n, p.m, p.ldy);
  }

  void choose(cublasLtHandle_t handle) {
    next([&] { return library_.preference_create(&preference_); });
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
           static_cast<std::uint64_t>(HalfProducts::workspace_bytes()));
    for (const cublasLtMatmulPreferenceAttributes_t operand :
         {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
          CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
      prefer(operand, static_cast<std::uint32_t>(HalfProduct::kAlignment));
    }
    int found = 0;
    next([&] {
      return library_.get_heuristic(handle, desc_, w_, x_, residual_, y_, preference_, 1, &choice_,
                                    &found);
    });
    next([&] { return found == 1 ? choice_.state : CUBLAS_STATUS_NOT_SUPPORTED; });
  }

  cublasStatus_t run(cublasLtHandle_t handle, const HalfProduct& p, std::byte* workspace,
                     Stream stream) {
    const float one = 1.0F;
    const float beta = p.residual != nullptr ? 1.0F : 0.0F;
    next([&] {
      return library_.matmul(handle, desc_, &one, p.w, w_, p.x, x_, &beta,
                             p.residual != nullptr ? p.residual : p.y, residual_, p.y, y_,
                             &choice_.algo, workspace, HalfProducts::workspace_bytes(), stream);
    });
    return status_;
  }

 private:
  template <class Step>
  void next(Step step) {
    if (status_ == CUBLAS_STATUS_SUCCESS) status_ = step();
  }
  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    next([&] { return library_.desc_set(desc_, attribute, &value, sizeof(value)); });
  }
  template <class T>
  void prefer(cublasLtMatmulPreferenceAttributes_t attribute, const T& value) {
    next([&] { return library_.preference_set(preference_, attribute, &value, sizeof(value)); });
  }
  void layout(cublasLtMatrixLayout_t& made, cudaDataType_t type, int rows, int columns,
              std::ptrdiff_t ld) {
    next([&] {
      return library_.layout_create(&made, type, static_cast<std::uint64_t>(rows),
                                    static_cast<std::uint64_t>(columns), ld);
    });
  }

  const CublasLt& library_;
  cublasStatus_t status_ = CUBLAS_STATUS_SUCCESS;
  cublasLtMatmulDesc_t desc_ = nullptr;
  cublasLtMatmulPreference_t preference_ = nullptr;
  cublasLtMatrixLayout_t w_ = nullptr, x_ = nullptr, residual_ = nullptr, y_ = nullptr;
  cublasLtMatmulHeuristicResult_t choice_{};
};

}  // namespace

HalfProducts::HalfProducts(const Device& device) : library_(load_cublaslt()) {
  const DeviceScope scope(device.index);
  cublasLtHandle_t handle = nullptr;
  check_launch(launch_error(library_.create(&handle)), "starting cuBLASLt");
  handle_ = {handle, [library = library_](cublasLtHandle_t made) { library.destroy(made); }};
}

int HalfProducts::launch(const HalfProduct& product, std::byte* workspace,
                         Stream stream) const noexcept {
  Call call(library_);
  call.describe(product);
  call.choose(handle_.get());
  return launch_error(call.run(handle_.get(), product, workspace, stream));
}

}  // namespace qe::cuda
