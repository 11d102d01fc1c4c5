// The product of <qe/cpu/gemm.h>: the packing and the kernel of a plan's linear step, without a
// plan.
#include <qe/cpu/gemm.h>

#include <utility>

#include <qe/error.h>

#include "engine/backends/cpu/split.h"
#include "engine/backends/gemm_checks.h"
#include "engine/runtime/aligned_buffer.h"
#include "engine/runtime/thread_pool.h"
#include "kernels/kernel_table.h"

namespace qe::cpu {

using kernels::kPanelWidth;

struct Gemm::Impl {
  Impl(const GemmWeights& weights, const GemmOptions& options)
      : shape(weights),
        table(kernels::kernel_table(options.isa ? *options.isa : default_isa())),
        packed(kernels::packed_bytes(weights.n, weights.k), "packed weights"),
        pool(options.threads, options.pin_threads) {
    table.pack_weights({.w = weights.w,
                        .ldw = weights.ld,
                        .n = weights.n,
                        .k = weights.k,
                        .first_panel = 0,
                        .last_panel = kernels::panel_count(weights.n),
                        .packed = reinterpret_cast<std::int8_t*>(packed.data()),
                        .column_sum = nullptr});
  }

  GemmWeights shape;  // its pointer is null once packed
  const kernels::KernelTable& table;
  AlignedBuffer packed;
  ThreadPool pool;
};

namespace {

const GemmWeights& checked(const GemmWeights& weights) {
  check_weights(weights);
  return weights;
}

void check_supported(const GemmOperands& x) {
  if (x.a_type != Element::kU8) {
    throw UsageError({.problem = "has no kernel on the CPU", .name = "a_type", .expected = "kU8"});
  }
  if (x.out_type != Element::kU8 && x.out_type != Element::kF32) {
    throw UsageError(
        {.problem = "has no kernel on the CPU", .name = "out_type", .expected = "kU8 or kF32"});
  }
}

kernels::GemmArgs kernel_args(const GemmWeights& shape, const std::int8_t* packed,
                              const GemmOperands& x) {
  kernels::GemmArgs args{};
  args.a = static_cast<const std::uint8_t*>(x.a);
  args.lda = x.lda;
  args.b = packed;
  args.m = x.m;
  args.n = shape.n;
  args.k = shape.k;
  args.column_offset = x.column_offset;
  args.column_scale = x.column_scale;
  args.row_scale = x.row_scale;
  args.row_floor = x.row_floor;
  args.column_weight_sum = x.column_weight_sum;
  args.bias = x.bias;
  args.activation = x.activation;
  if (x.out_type == Element::kF32) {
    args.residual = static_cast<const float*>(x.residual);
    args.ld_residual = x.ld_residual;
    args.out_f32 = static_cast<float*>(x.out);
    args.ld_out_f32 = x.ld_out;
    return args;
  }
  args.residual_u8 = static_cast<const std::uint8_t*>(x.residual);
  args.ld_residual_u8 = x.ld_residual;
  args.residual_scale = x.residual_scale;
  args.out_u8 = static_cast<std::uint8_t*>(x.out);
  args.ld_out_u8 = x.ld_out;
  args.out_inv_scale = x.out_inv_scale;
  args.out_zero_point = x.out_zero_point;
  args.table = x.table;
  return args;
}

// The rows of one part.
void take_rows(kernels::GemmArgs& args, Part rows) {
  args.m = rows.end - rows.begin;
  args.a += rows.begin * args.lda;
  if (args.row_scale) args.row_scale += rows.begin;
  if (args.row_floor) args.row_floor += rows.begin;
  if (args.residual) args.residual += rows.begin * args.ld_residual;
  if (args.out_f32) args.out_f32 += rows.begin * args.ld_out_f32;
  if (args.residual_u8) args.residual_u8 += rows.begin * args.ld_residual_u8;
  if (args.out_u8) args.out_u8 += rows.begin * args.ld_out_u8;
}

}  // namespace

Gemm::Gemm(const GemmWeights& weights, const GemmOptions& options)
    : impl_(std::make_unique<Impl>(checked(weights), options)) {}
Gemm::~Gemm() = default;
Gemm::Gemm(Gemm&&) noexcept = default;
Gemm& Gemm::operator=(Gemm&&) noexcept = default;

void Gemm::run(const GemmOperands& operands) {
  check_operands(impl_->shape, operands);
  check_supported(operands);
  const kernels::GemmArgs all = kernel_args(
      impl_->shape, reinterpret_cast<const std::int8_t*>(impl_->packed.data()), operands);
  impl_->pool.run([&](int part) noexcept {
    const Tile tile = split_product(all.m, all.n, kPanelWidth, impl_->pool.size(), part);
    kernels::GemmArgs args = all;
    take_rows(args, tile.rows);
    args.first_panel = tile.columns.begin / kPanelWidth;
    args.last_panel = kernels::panel_count(tile.columns.end);
    if (args.m > 0 && args.first_panel < args.last_panel) impl_->table.gemm(args);
  });
}

}  // namespace qe::cpu
