// One attention head in blocks of query rows: quantize, Q K^T, softmax to bytes, times V. Knows no
// instruction set; the table's functions do the work.
#include "kernels/attention.h"

#include <algorithm>
#include <cmath>

namespace qe::kernels {
namespace {

constexpr std::size_t kAlignment = 64;

// A block of scores is written once and read twice: this much of it, as f32, is kept in the first
// or second level cache, in whole micro-kernel tiles of rows (6 and 8 divide 24).
constexpr int kScoreBytes = 48 * 1024;
constexpr int kRowStep = 24;
constexpr int kMaxBlockRows = 96;

int block_rows(int tokens) {
  const int row_bytes = round_up(tokens, kColumnGroup) * static_cast<int>(sizeof(float));
  const int rows = kScoreBytes / row_bytes / kRowStep * kRowStep;
  return std::min(std::clamp(rows, kRowStep, kMaxBlockRows), tokens);
}

// Hands out consecutive aligned pieces of the scratch; with no base it only counts.
class Carver {
 public:
  explicit Carver(std::byte* base) : base_(base) {}

  template <class T>
  T* take(std::size_t count) {
    T* piece = base_ ? reinterpret_cast<T*>(base_ + used_) : nullptr;
    used_ += (count * sizeof(T) + kAlignment - 1) / kAlignment * kAlignment;
    return piece;
  }
  std::size_t used() const { return used_; }

 private:
  std::byte* base_;
  std::size_t used_ = 0;
};

struct Scratch {
  int rows;             // query rows of a block
  std::ptrdiff_t ld;    // row stride of scores and probabilities
  std::ptrdiff_t ld_q;  // row stride of the quantized queries
  std::int8_t* keys;    // packed, n = tokens
  float* key_scale;
  std::int32_t* key_offset;
  std::int8_t* values;  // packed, n = head_dim
  float* value_scale;
  float* out_bias;  // the zero point of a static output, for every column
  std::uint8_t* q;
  float* q_scale;
  float* scores;
  std::uint8_t* probabilities;
  float* inv_sum;
  std::size_t bytes;

  Scratch(std::byte* base, int tokens, int head_dim) {
    Carver carver(base);
    const auto columns = static_cast<std::size_t>(round_up(tokens, kColumnGroup));
    const auto dims = static_cast<std::size_t>(round_up(head_dim, kColumnGroup));
    rows = block_rows(tokens);
    ld = static_cast<std::ptrdiff_t>(columns);
    ld_q = static_cast<std::ptrdiff_t>(dims);
    const auto block = static_cast<std::size_t>(rows);
    keys = carver.take<std::int8_t>(packed_bytes(tokens, head_dim));
    key_scale = carver.take<float>(columns);
    key_offset = carver.take<std::int32_t>(columns);
    values = carver.take<std::int8_t>(packed_bytes(head_dim, tokens));
    value_scale = carver.take<float>(dims);
    out_bias = carver.take<float>(dims);
    q = carver.take<std::uint8_t>(block * dims);
    q_scale = carver.take<float>(block);
    scores = carver.take<float>(block * columns);
    probabilities = carver.take<std::uint8_t>(block * columns);
    inv_sum = carver.take<float>(block);
    bytes = carver.used();
  }
};

void pack_head(const KernelTable& table, const AttentionArgs& args, const Scratch& scratch) {
  const float inv_root = 1.0F / std::sqrt(static_cast<float>(args.head_dim));
  const bool is_static = args.k_u8 != nullptr;
  table.pack_keys({.x_f32 = args.k_f32,
                   .x_u8 = args.k_u8,
                   .ldx = args.ld_kv,
                   .tokens = args.tokens,
                   .head_dim = args.head_dim,
                   .static_scale = args.k_scale,
                   .score_scale = is_static ? args.q_scale * inv_root : inv_root,
                   .packed = scratch.keys,
                   .column_scale = scratch.key_scale,
                   .column_offset = scratch.key_offset});
  table.pack_values({.x_f32 = args.v_f32,
                     .x_u8 = args.v_u8,
                     .ldx = args.ld_kv,
                     .tokens = args.tokens,
                     .head_dim = args.head_dim,
                     .static_scale = args.out_u8 ? args.v_scale * args.out_inv_scale : args.v_scale,
                     .packed = scratch.values,
                     .column_scale = scratch.value_scale});
  std::fill_n(scratch.out_bias, round_up(args.head_dim, kColumnGroup), args.out_zero_point);
}

// Scores of query rows [row, row + rows).
void score_block(const KernelTable& table, const AttentionArgs& args, const Scratch& scratch,
                 int row, int rows) {
  GemmArgs gemm{};
  gemm.a = args.q_u8 + (args.q_u8 ? row * args.ld_q : 0);
  gemm.lda = args.ld_q;
  if (args.q_f32) {
    table.quantize_rows({.x = args.q_f32 + row * args.ld_q,
                         .ldx = args.ld_q,
                         .rows = rows,
                         .cols = args.head_dim,
                         .q = scratch.q,
                         .ldq = scratch.ld_q,
                         .scheme = RowScheme::kSymmetric,
                         .scale = scratch.q_scale});
    gemm.a = scratch.q;
    gemm.lda = scratch.ld_q;
    gemm.row_scale = scratch.q_scale;
  }
  gemm.b = scratch.keys;
  gemm.m = rows;
  gemm.n = args.tokens;
  gemm.k = args.head_dim;
  gemm.last_panel = panel_count(args.tokens);
  gemm.column_offset = scratch.key_offset;
  gemm.column_scale = scratch.key_scale;
  gemm.out_f32 = scratch.scores;
  gemm.ld_out_f32 = scratch.ld;
  table.gemm(gemm);
}

void context_block(const KernelTable& table, const AttentionArgs& args, const Scratch& scratch,
                   int row, int rows) {
  GemmArgs gemm{};
  gemm.a = scratch.probabilities;
  gemm.lda = scratch.ld;
  gemm.b = scratch.values;
  gemm.m = rows;
  gemm.n = args.head_dim;
  gemm.k = args.tokens;
  gemm.last_panel = panel_count(args.head_dim);
  gemm.column_scale = scratch.value_scale;
  gemm.row_scale = scratch.inv_sum;
  if (args.out_u8) {
    gemm.bias = scratch.out_bias;
    gemm.out_u8 = args.out_u8 + row * args.ld_out;
    gemm.ld_out_u8 = args.ld_out;
  } else {
    gemm.out_f32 = args.out_f32 + row * args.ld_out;
    gemm.ld_out_f32 = args.ld_out;
  }
  table.gemm(gemm);
}

}  // namespace

std::size_t attention_scratch_bytes(int tokens, int head_dim) {
  // The blocks of a shorter sequence have more rows, so it may need more.
  std::size_t bytes = 0;
  for (int count = 1; count <= tokens; ++count) {
    bytes = std::max(bytes, Scratch(nullptr, count, head_dim).bytes);
  }
  return bytes;
}

void attention_head(const KernelTable& table, const AttentionArgs& args) noexcept {
  const Scratch scratch(args.scratch, args.tokens, args.head_dim);
  pack_head(table, args, scratch);
  for (int row = 0; row < args.queries; row += scratch.rows) {
    const int rows = std::min(scratch.rows, args.queries - row);
    score_block(table, args, scratch, row, rows);
    table.softmax_u8({.x = scratch.scores,
                      .ldx = scratch.ld,
                      .rows = rows,
                      .cols = args.tokens,
                      .p = scratch.probabilities,
                      .ldp = scratch.ld,
                      .inv_sum = scratch.inv_sum});
    context_block(table, args, scratch, row, rows);
  }
}

}  // namespace qe::kernels
