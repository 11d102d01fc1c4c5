// One check after the other; each names the argument, what it must be and what it is.
#include "engine/backends/gemm_checks.h"

#include <cstdint>
#include <string>

#include <qe/error.h>

namespace qe {
namespace {

// 255 * 128 times this still fits 32 bits.
constexpr int kMostDepth = 65793;

void require(bool right, const char* name, const char* problem, std::string expected,
             std::string actual) {
  if (right) return;
  throw UsageError({.problem = problem,
                    .name = name,
                    .expected = std::move(expected),
                    .actual = std::move(actual)});
}

void require_set(const void* pointer, const char* name) {
  require(pointer != nullptr, name, "is missing", "a pointer", "null");
}

void require_null(const void* pointer, const char* name, const char* problem) {
  require(pointer == nullptr, name, problem, "null", "a pointer");
}

void require_stride(std::ptrdiff_t stride, int columns, const char* name) {
  require(stride >= columns, name, "is less than a row", "at least " + std::to_string(columns),
          std::to_string(stride));
}

void require_multiple(const void* pointer, int bytes, const char* name) {
  const auto past = reinterpret_cast<std::uintptr_t>(pointer) % static_cast<unsigned>(bytes);
  require(past == 0, name, "is misaligned", "a multiple of " + std::to_string(bytes) + " bytes",
          std::to_string(past) + " bytes past one");
}

constexpr int kRowAlignment = 16;
constexpr int kColumnAlignment = 8;

void require_rows(const void* rows, std::ptrdiff_t ld, Element type, const char* name,
                  const char* ld_name) {
  require_multiple(rows, kRowAlignment, name);
  const std::ptrdiff_t bytes = ld * element_bytes(type);
  require(bytes % kRowAlignment == 0, ld_name, "misaligns the rows",
          "a multiple of " + std::to_string(kRowAlignment) + " bytes", std::to_string(bytes));
}

}  // namespace

void check_weights(const GemmWeights& weights) {
  require(weights.n > 0, "n", "is not positive", "at least 1", std::to_string(weights.n));
  require(weights.k > 0 && weights.k <= kMostDepth, "k", "is out of range",
          "1 to " + std::to_string(kMostDepth), std::to_string(weights.k));
  require_set(weights.w, "w");
  require_stride(weights.ld, weights.k, "w.ld");
}

void check_operands(const GemmWeights& weights, const GemmOperands& x) {
  check_weights(weights);
  require(x.m >= 0, "m", "is negative", "at least 0", std::to_string(x.m));
  require(x.a_type == Element::kU8 || x.a_type == Element::kS8, "a_type", "is not of 8 bits",
          "kU8 or kS8", "a float type");
  require_set(x.a, "a");
  require_stride(x.lda, weights.k, "lda");
  require_set(x.column_scale, "column_scale");
  require_set(x.out, "out");
  require_stride(x.ld_out, weights.n, "ld_out");
  if (x.row_floor != nullptr) require_set(x.column_weight_sum, "column_weight_sum");
  const bool bytes = element_bytes(x.out_type) == 1;
  if (x.residual != nullptr) {
    require_stride(x.ld_residual, weights.n, "ld_residual");
    if (bytes && x.activation != Activation::kNone) {
      require_null(x.residual, "residual", "of bytes cannot follow an activation");
    }
  }
  if (!bytes) require_null(x.table, "table", "belongs to results of bytes");
}

void check_alignment(const GemmWeights& weights, const GemmOperands& x) {
  require_rows(weights.w, weights.ld, Element::kS8, "w", "w.ld");
  require_rows(x.a, x.lda, x.a_type, "a", "lda");
  require_rows(x.out, x.ld_out, x.out_type, "out", "ld_out");
  if (x.residual != nullptr) {
    require_rows(x.residual, x.ld_residual, x.out_type, "residual", "ld_residual");
  }
  require_multiple(x.column_offset, kColumnAlignment, "column_offset");
  require_multiple(x.column_scale, kColumnAlignment, "column_scale");
  require_multiple(x.column_weight_sum, kColumnAlignment, "column_weight_sum");
  require_multiple(x.bias, kColumnAlignment, "bias");
}

}  // namespace qe
