// Descriptions of the product in cuBLASLt's terms. It counts columns first, so that rows without
// gaps are columns to it: out^T = w a^T.
#include "tools/bench/gemm/cublaslt_rival.h"

#include <cublasLt.h>

#include <array>

#include <qe/error.h>

namespace qe::tools {
namespace {

constexpr int kMostAlgorithms = 16;
constexpr int kTile = 32;  // columns of a tiled order

void check_lt(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw DeviceError({.problem = std::string("cuBLASLt: ") + what + " failed",
                     .actual = cublasLtGetStatusString(status)});
}

struct DestroyHandle {
  void operator()(cublasLtHandle_t handle) const { cublasLtDestroy(handle); }
};
struct DestroyDescription {
  void operator()(cublasLtMatmulDesc_t description) const {
    cublasLtMatmulDescDestroy(description);
  }
};
struct DestroyLayout {
  void operator()(cublasLtMatrixLayout_t layout) const { cublasLtMatrixLayoutDestroy(layout); }
};
struct DestroyPreference {
  void operator()(cublasLtMatmulPreference_t preference) const {
    cublasLtMatmulPreferenceDestroy(preference);
  }
};
using Handle = std::unique_ptr<cublasLtContext, DestroyHandle>;
using Description = std::unique_ptr<cublasLtMatmulDescOpaque_t, DestroyDescription>;
using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, DestroyLayout>;
using Preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, DestroyPreference>;

Layout make_layout(cudaDataType_t type, int rows, int columns, std::int64_t ld,
                   cublasLtOrder_t order) {
  cublasLtMatrixLayout_t layout = nullptr;
  check_lt(cublasLtMatrixLayoutCreate(&layout, type, static_cast<std::uint64_t>(rows),
                                      static_cast<std::uint64_t>(columns), ld),
           "a layout");
  Layout owned(layout);
  check_lt(
      cublasLtMatrixLayoutSetAttribute(layout, CUBLASLT_MATRIX_LAYOUT_ORDER, &order, sizeof(order)),
      "a layout");
  return owned;
}

struct Types {
  cublasComputeType_t compute;
  cudaDataType_t scale, in, out;
};

Types types_of(LtForm form) {
  switch (form) {
    case LtForm::kBytes:
      return {CUBLAS_COMPUTE_32I, CUDA_R_32F, CUDA_R_8I, CUDA_R_8I};
    case LtForm::kHalf:
      return {CUBLAS_COMPUTE_32F, CUDA_R_32F, CUDA_R_16F, CUDA_R_16F};
    case LtForm::kSums:
    case LtForm::kSumsTiled:
      break;
  }
  return {CUBLAS_COMPUTE_32I, CUDA_R_32I, CUDA_R_8I, CUDA_R_32I};
}

}  // namespace

struct LtProduct::Impl {
  explicit Impl(LtForm form) : tiled(form == LtForm::kSumsTiled), types(types_of(form)) {
    cublasLtHandle_t made = nullptr;
    check_lt(cublasLtCreate(&made), "starting");
    handle.reset(made);
    cublasLtMatmulDesc_t product = nullptr;
    check_lt(cublasLtMatmulDescCreate(&product, types.compute, types.scale), "a description");
    description.reset(product);
  }

  void transpose(cublasLtMatmulDescAttributes_t which) const {
    const cublasOperation_t transposed = CUBLAS_OP_T;
    check_lt(
        cublasLtMatmulDescSetAttribute(description.get(), which, &transposed, sizeof(transposed)),
        "a description");
  }

  void describe(const GemmShape& s) {
    if (tiled) {
      // Here the rows of `a` come first and the weights are the transposed side.
      transpose(CUBLASLT_MATMUL_DESC_TRANSB);
      const std::int64_t padded = (s.n + kTile - 1) / kTile * kTile;
      left = make_layout(types.in, s.m, s.k, std::int64_t{kTile} * s.m, CUBLASLT_ORDER_COL32);
      right = make_layout(types.in, s.n, s.k, kTile * padded, CUBLASLT_ORDER_COL32_2R_4R4);
      result = make_layout(types.out, s.m, s.n, std::int64_t{kTile} * s.m, CUBLASLT_ORDER_COL32);
      return;
    }
    transpose(CUBLASLT_MATMUL_DESC_TRANSA);
    left = make_layout(types.in, s.k, s.n, s.k, CUBLASLT_ORDER_COL);
    right = make_layout(types.in, s.k, s.m, s.k, CUBLASLT_ORDER_COL);
    result = make_layout(types.out, s.n, s.m, s.n, CUBLASLT_ORDER_COL);
  }

  void ask() {
    cublasLtMatmulPreference_t made = nullptr;
    check_lt(cublasLtMatmulPreferenceCreate(&made), "a preference");
    const Preference preference(made);
    const std::size_t most = kLtWorkspaceBytes;
    check_lt(cublasLtMatmulPreferenceSetAttribute(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                  &most, sizeof(most)),
             "a preference");
    const cublasStatus_t status = cublasLtMatmulAlgoGetHeuristic(
        handle.get(), description.get(), left.get(), right.get(), result.get(), result.get(), made,
        kMostAlgorithms, found.data(), &count);
    if (status != CUBLAS_STATUS_SUCCESS) count = 0;  // not a shape for these types
  }

  bool tiled;
  Types types;
  Handle handle;
  Description description;
  Layout left, right, result;
  std::array<cublasLtMatmulHeuristicResult_t, kMostAlgorithms> found{};
  int count = 0;
};

LtProduct::LtProduct(LtForm form, const GemmShape& shape) : impl_(std::make_unique<Impl>(form)) {
  // Operands of a measurement are as large as their elements: nothing for padded tiles.
  if (impl_->tiled && (shape.n % kTile != 0 || shape.k % kTile != 0)) return;
  try {
    impl_->describe(shape);
  } catch (const DeviceError&) {
    if (!impl_->tiled) throw;
    return;  // orders of GPUs before Hopper
  }
  impl_->ask();
}
LtProduct::~LtProduct() = default;
LtProduct::LtProduct(LtProduct&&) noexcept = default;

int LtProduct::algorithms() const { return impl_->count; }

void LtProduct::run(int algorithm, const void* a, const void* w, void* out, void* workspace,
                    cudaStream_t stream) const {
  const std::int32_t whole[] = {1, 0};
  // Keeps results of random operands within a byte.
  const float real[] = {1e-4F, 0.0F};
  const bool integers = impl_->types.scale == CUDA_R_32I;
  const void* alpha = integers ? static_cast<const void*>(&whole[0]) : &real[0];
  const void* beta = integers ? static_cast<const void*>(&whole[1]) : &real[1];
  const auto& found = impl_->found[static_cast<std::size_t>(algorithm)];
  check_lt(cublasLtMatmul(impl_->handle.get(), impl_->description.get(), alpha,
                          impl_->tiled ? a : w, impl_->left.get(), impl_->tiled ? w : a,
                          impl_->right.get(), beta, out, impl_->result.get(), out,
                          impl_->result.get(), &found.algo, workspace, kLtWorkspaceBytes, stream),
           "a product");
}

}  // namespace qe::tools
