// The kernels behind every integer model: one table of plain functions per instruction set. All
// tables compute the same bits; docs/numerics.md is the specification and kernels/reference its
// plain rendering. Kernels allocate nothing, throw nothing and know neither graphs nor names;
// arguments are validated by the caller. Pointers need no alignment unless stated.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/spatial_args.h"

#include <qe/activation.h>
#include <qe/isa.h>

namespace qe::kernels {

using qe::Activation;
using qe::Isa;

// Packed right-hand matrix B[k][n], s8: panels of 64 columns (the last one rounded up to a multiple
// of 16), each stored [ceil(k / 4)][panel width][4], zero-filled beyond n and k. All instruction
// sets read this one layout. Panel p starts at byte p * 64 * round_up(k, 4).
inline constexpr int kPanelWidth = 64;
inline constexpr int kColumnGroup = 16;
inline constexpr int kDepthGroup = 4;

constexpr int round_up(int value, int multiple) {
  return (value + multiple - 1) / multiple * multiple;
}
constexpr int panel_count(int n) { return (n + kPanelWidth - 1) / kPanelWidth; }
constexpr std::size_t packed_bytes(int n, int k) {
  return static_cast<std::size_t>(round_up(n, kColumnGroup)) * round_up(k, kDepthGroup);
}

// Zero point of symmetrically quantized u8 activations: queries, keys, values.
inline constexpr int kSymmetricZeroPoint = 128;

// Packs W[n][k] (row-major, row stride ldw), i.e. B = W^T, for panels [first_panel, last_panel).
struct PackWeightsArgs {
  const std::int8_t* w;
  std::ptrdiff_t ldw;
  int n, k;
  int first_panel, last_panel;
  std::int8_t* packed;       // packed_bytes(n, k), 64-byte aligned
  std::int32_t* column_sum;  // [round_up(n, 16)]: sum over k of W[n][k], zero beyond n; may be null
};

// C = epilogue(A * B): u8 activations times packed s8 weights, s32 accumulation (exact while the
// depth is at most 65,793). The depth of the product is k or, with taps (spatial_args.h), that of a
// convolution: taps->count pieces of k bytes, each piece of a row at its own place and a the first
// image; B is then packed as a matrix of depth taps->count * round_up(k, 4), piece after piece. For
// each row m and column n:
//   acc = column_offset[n] + sum_k a[m][k] * b[k][n]
//   c   = fma(row_floor[m], column_weight_sum[n], bias[n])   (row_floor null: bias[n] alone)
//   y   = fma(float(acc), row_scale[m] * column_scale[n], c)   (row_scale null: column_scale alone;
//         bias null: -0, which changes no bit of a sum)
//   y   = activation(y)
//   out_f32: y, or y + residual[m][n] where residual is set
//   out_u8 : q = round_half_even(clamp(t, 0, 255)), NaN -> 0, and table[q] where table is set, with
//            t = y for Activation::kNone (the caller has folded the output scale and zero point
//                into column_scale and bias); where residual_u8 is set, t =
//                fma(float(residual_u8[m][n]), residual_scale, y), its zero point folded into bias
//            t = fma(y, out_inv_scale, out_zero_point) after another activation, without residual
// Exactly one of out_f32 and out_u8 is set. Only columns of panels [first_panel, last_panel) below
// n are written; out_u8 and residual_u8 may be the same rows. The per-column arrays have
// round_up(n, 16) readable elements, and so many bytes each row of residual_u8; a row of a, or a
// piece of one, has round_up(k, 4) readable bytes (their values beyond k do not matter).
struct GemmArgs {
  const std::uint8_t* a;
  std::ptrdiff_t lda;    // unused with taps
  const std::int8_t* b;  // packed, 64-byte aligned
  int m, n, k;
  int first_panel, last_panel;
  const std::int32_t* column_offset;  // may be null: zero
  const float* column_scale;
  const float* row_scale;          // [m] or null
  const float* row_floor;          // [m], the real value of byte 0 in each row; or null
  const float* column_weight_sum;  // with row_floor: sum over k of b[k][n], times its real scale
  const float* bias;               // or null
  Activation activation;
  const float* residual;  // or null
  std::ptrdiff_t ld_residual;
  float* out_f32;
  std::ptrdiff_t ld_out_f32;
  std::uint8_t* out_u8;
  std::ptrdiff_t ld_out_u8;
  float out_inv_scale;
  float out_zero_point;
  const Taps* taps;                 // or null: a plain product
  const std::uint8_t* residual_u8;  // or null
  std::ptrdiff_t ld_residual_u8;
  float residual_scale;
  const std::uint8_t* table;  // [256] or null
  // Packed weights that this thread reads afterwards, fetched towards the end; none: null.
  const std::int8_t* next_b;
  std::ptrdiff_t next_bytes;
};

// How bytes stand for the reals of a row.
enum class RowScheme : std::uint8_t {
  kStatic,      // a given scale and zero point
  kSymmetric,   // real = scale (q - 128)
  kOwnFloor,    // real = floor + scale q, where floor is the row's minimum
  kKnownFloor,  // likewise with a given floor, below which no finite x lies: saves the search
};

// Quantization of each row; q of a NaN is 0. Both scale and inv are 0 if m < 2^-100.
// kStatic: q = round_half_even(clamp(fma(x, inv_scale, zero_point), 0, 255)).
// kSymmetric: m = max |x|; scale = m / 127, inv = 127 / m; q = round_half_even(fma(x, inv, 128)).
// kOwnFloor, kKnownFloor: f = min(x) + 0 (never -0), stored in floor[row], or known_floor;
// m = max(x) - f; scale = m / 255, inv = 255 / m;
// q = round_half_even(clamp(fma(x, inv, -f * inv), 0, 255)).
struct QuantizeRowsArgs {
  const float* x;
  std::ptrdiff_t ldx;
  int rows, cols;
  std::uint8_t* q;
  std::ptrdiff_t ldq;
  RowScheme scheme;
  float* scale = nullptr;  // [rows], but for kStatic
  float* floor = nullptr;  // [rows], for kOwnFloor
  float known_floor = 0.0F;
  float inv_scale = 0.0F;
  float zero_point = 0.0F;
};

// Layer normalization of each row, then quantization (Ba et al. 2016; ONNX LayerNormalization):
//   mean = sum(x) * (1 / cols);  var = sum((x - mean)^2) * (1 / cols);  r = 1 / sqrt(var + epsilon)
//   y = fma((x - mean) * r, gamma, beta)
// with the 16-partial sums of docs/numerics.md. y is stored where y is set (may equal x); if q is
// set y is also quantized as in QuantizeRowsArgs: kOwnFloor where scale and floor are set, else
// kStatic.
struct LayerNormArgs {
  const float* x;
  std::ptrdiff_t ldx;
  int rows, cols;
  const float* gamma;
  const float* beta;
  float epsilon;
  float* y;
  std::ptrdiff_t ldy;
  std::uint8_t* q;
  std::ptrdiff_t ldq;
  float* scale;  // both [rows] or both null
  float* floor;
  float inv_scale;
  float zero_point;
};

// Sum of embeddings, s8 tables with one scale a row: out = w * sw, then fma(p, sp, out), then
// fma(t, st, out) where a third table is present (table null: skipped).
struct EmbeddingTable {
  const std::int8_t* rows = nullptr;  // [count][cols]
  const float* scale = nullptr;       // [count]
};
struct EmbedArgs {
  EmbeddingTable word, position, type;
  const std::int32_t* word_ids;  // [tokens]; every id is a valid row
  const std::int32_t* position_ids;
  const std::int32_t* type_ids;
  int tokens, cols;
  float* out;
  std::ptrdiff_t ld_out;
};

// Keys of one head as the packed right-hand matrix of Q K^T: n = tokens, k = head_dim.
// From f32: per token, scale_t and s8 q as kSymmetric of QuantizeRowsArgs (minus 128);
// column_scale[t] = scale_t * score_scale. From u8 (static): q = x - 128, column_scale[t] =
// static_scale * score_scale. column_offset[t] = -128 * sum of q. Arrays are padded to
// round_up(tokens, 16), zero beyond tokens.
struct PackKeysArgs {
  const float* x_f32;  // one of x_f32 and x_u8 is set; [tokens][head_dim], row stride ldx
  const std::uint8_t* x_u8;
  std::ptrdiff_t ldx;
  int tokens, head_dim;
  float static_scale;
  float score_scale;  // 1 / sqrt(head_dim)
  std::int8_t* packed;
  float* column_scale;
  std::int32_t* column_offset;
};

// Values of one head as the packed right-hand matrix of P V: n = head_dim, k = tokens. From f32:
// one scale for the whole [tokens][head_dim] block, absmax / 127; from u8 (static): q = x - 128,
// static_scale. *value_scale receives the scale; column_scale [round_up(head_dim, 16)] is filled
// with it.
struct PackValuesArgs {
  const float* x_f32;
  const std::uint8_t* x_u8;
  std::ptrdiff_t ldx;
  int tokens, head_dim;
  float static_scale;
  std::int8_t* packed;
  float* column_scale;
};

// p = round_half_even(255 * exp(x - max(x))) for each row; inv_sum = 1 / float(sum of p). Bytes
// from cols to round_up(cols, 4) are set to zero.
struct SoftmaxU8Args {
  const float* x;
  std::ptrdiff_t ldx;
  int rows, cols;
  std::uint8_t* p;
  std::ptrdiff_t ldp;
  float* inv_sum;  // [rows]
};

// Float helpers for the FP32 path (not part of the bit-equality promise across float libraries, but
// the same bits in every table).
struct BiasActivationArgs {  // x = activation(x + bias) + residual, in place
  float* x;
  std::ptrdiff_t ldx;
  int rows, cols;
  const float* bias;  // or null
  Activation activation;
  const float* residual;  // or null
  std::ptrdiff_t ld_residual;
};
struct SoftmaxF32Args {  // each row in place: softmax(scale * x)
  float* x;
  std::ptrdiff_t ldx;
  int rows, cols;
  float scale;
};

struct KernelTable {
  Isa isa;
  const char* name;  // "reference", "avx2", "avx512_vnni", "amx"
  void (*pack_weights)(const PackWeightsArgs&) noexcept;
  void (*gemm)(const GemmArgs&) noexcept;
  void (*quantize_rows)(const QuantizeRowsArgs&) noexcept;
  void (*layer_norm)(const LayerNormArgs&) noexcept;
  void (*embed)(const EmbedArgs&) noexcept;
  void (*pack_keys)(const PackKeysArgs&) noexcept;
  void (*pack_values)(const PackValuesArgs&) noexcept;
  void (*softmax_u8)(const SoftmaxU8Args&) noexcept;
  void (*bias_activation)(const BiasActivationArgs&) noexcept;
  void (*softmax_f32)(const SoftmaxF32Args&) noexcept;
  void (*pack_depthwise)(const PackDepthwiseArgs&) noexcept;
  void (*depthwise)(const DepthwiseArgs&) noexcept;
  void (*max_pool)(const MaxPoolArgs&) noexcept;
  void (*channel_sums)(const ChannelSumArgs&) noexcept;
  void (*channel_mean)(const ChannelMeanArgs&) noexcept;
  void (*scale_channels)(const ScaleChannelsArgs&) noexcept;
  void (*rescale)(const RescaleArgs&) noexcept;
  void (*add_bytes)(const AddBytesArgs&) noexcept;
  void (*expand_image)(const ExpandImageArgs&) noexcept;
};

const char* isa_name(Isa isa);

// Best last. Only those this CPU and operating system can run; kReference is always there.
std::vector<Isa> available_isas();

// The table of an available instruction set. Faster tables overlay slower ones, so every entry is
// set.
const KernelTable& kernel_table(Isa isa);

}  // namespace qe::kernels
