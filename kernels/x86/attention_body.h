// The attention kernels of kernel_table.h for x86, included once by the attention.cpp of each
// instruction set after its f32x16.h: keys and values as packed right-hand matrices, and the
// softmax that makes the bytes of the second product. The steps are those of docs/numerics.md.
// Everything is in an anonymous namespace, so no body is shared between folders.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/kernel_table.h"
#include "kernels/x86/vector_loops.h"
#include "kernels/x86/vector_math.h"
#include "kernels/x86/wide.h"

namespace qe::kernels {
namespace {

// Panel geometry of a packed matrix: where the 4-byte group of depth group g and column n lies.
struct PackedColumns {
  std::int8_t* first;     // depth group 0 of column n
  std::ptrdiff_t stride;  // bytes from one depth group to the next
};

inline PackedColumns packed_columns(std::int8_t* packed, int columns, int depth, int n) {
  const int panel_first = n / kPanelWidth * kPanelWidth;
  const int rest = round_up(columns, kColumnGroup) - panel_first;
  const int width = rest < kPanelWidth ? rest : kPanelWidth;
  return {packed + static_cast<std::ptrdiff_t>(panel_first) * round_up(depth, kDepthGroup) +
              static_cast<std::ptrdiff_t>(n - panel_first) * kDepthGroup,
          static_cast<std::ptrdiff_t>(width) * kDepthGroup};
}

// Rows of dwords become columns of dwords.
inline void transpose_8x8(__m256i (&r)[8]) {
  __m256i pairs[8];
  for (int i = 0; i < 8; i += 2) {
    pairs[i] = _mm256_unpacklo_epi32(r[i], r[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_epi32(r[i], r[i + 1]);
  }
  __m256i quads[8];
  for (int i = 0; i < 8; i += 4) {
    quads[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
    quads[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
    quads[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    quads[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x20);
    r[i + 4] = _mm256_permute2x128_si256(quads[i], quads[i + 4], 0x31);
  }
}

// Keys on their way into a panel: eight tokens of 32 dimensions, u8 with zero point 128.
inline constexpr int kTileTokens = 8;
inline constexpr int kTileDims = 32;
struct KeyTile {
  alignas(32) std::uint8_t rows[kTileTokens][kTileDims];

  void clear() {
    for (auto& row : rows) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(row),
                         _mm256_set1_epi8(static_cast<char>(kSymmetricZeroPoint)));
    }
  }
};

// Writes the first `groups` dword columns of eight rows as s8; adds the sum of each row's s8 to
// sums.
inline void write_key_tile(const std::uint8_t* const (&rows)[kTileTokens], PackedColumns to,
                           int groups, __m256i& sums) {
  __m256i r[kTileTokens];
  for (int t = 0; t < kTileTokens; ++t) {
    r[t] = _mm256_xor_si256(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows[t])),
                            _mm256_set1_epi8(static_cast<char>(kSymmetricZeroPoint)));
  }
  transpose_8x8(r);
#pragma GCC unroll 8
  for (int g = 0; g < kTileDims / kDepthGroup; ++g) {
    if (g == groups) {
      break;
    }
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to.first + g * to.stride), r[g]);
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), r[g]);
    sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
}

// The scales of eight tokens, zero for those beyond the last.
inline void key_scales(const PackKeysArgs& args, int token, int present,
                       DynamicScale (&dynamic)[kTileTokens]) {
  for (int t = 0; t < kTileTokens; ++t) {
    dynamic[t] = {t < present ? args.static_scale : 0.0F, 0.0F};
    if (args.x_f32 && t < present) {
      const float* x = args.x_f32 + (token + t) * args.ldx;
      dynamic[t] = symmetric_scale(
          fold_maximum(absolute_maximum(x, args.head_dim, F32x16::broadcast(0.0F))));
    }
    args.column_scale[token + t] = dynamic[t].scale * args.score_scale;
  }
}

// Eight tokens from `token` on; those beyond the last become zeros.
inline void pack_key_tokens(const PackKeysArgs& args, int token) {
  const int left = args.tokens - token;
  const int present = left < 0 ? 0 : left < kTileTokens ? left : kTileTokens;
  DynamicScale dynamic[kTileTokens];
  key_scales(args, token, present, dynamic);
  KeyTile tile;
  tile.clear();
  const std::uint8_t* rows[kTileTokens];
  for (int t = 0; t < kTileTokens; ++t) {
    rows[t] = tile.rows[t];
  }
  __m256i sums = _mm256_setzero_si256();
  PackedColumns to = packed_columns(args.packed, args.tokens, args.head_dim, token);
  for (int dim = 0; dim < args.head_dim; dim += kTileDims) {
    const int left_dims = args.head_dim - dim;
    const int dims = left_dims < kTileDims ? left_dims : kTileDims;
    if (dims < kTileDims) {
      tile.clear();
    }
    for (int t = 0; t < present; ++t) {
      const std::ptrdiff_t at = (token + t) * args.ldx + dim;
      if (!args.x_f32 && dims == kTileDims) {
        rows[t] = args.x_u8 + at;  // already bytes: read in place
        continue;
      }
      rows[t] = tile.rows[t];
      const F32x16 inv = F32x16::broadcast(dynamic[t].inv);
      for_vectors(dims, [&](int i, auto lanes) {
        const I32x16 zero =
            I32x16::broadcast(kSymmetricZeroPoint);  // also beyond the last dimension
        const I32x16 q = args.x_f32 ? quantize_symmetric(load(args.x_f32 + at + i, lanes), inv)
                                    : I32x16::from_u8(load_bytes(args.x_u8 + at + i, lanes));
        store_bytes(keep(q ^ zero, lanes) ^ zero, tile.rows[t] + i);
      });
    }
    write_key_tile(rows, to, round_up(dims, kDepthGroup) / kDepthGroup, sums);
    to.first += kTileDims / kDepthGroup * to.stride;
  }
  const __m256i offsets = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(sums, 7));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(args.column_offset + token), offsets);
}

inline void pack_keys_body(const PackKeysArgs& args) {
  for (int token = 0; token < round_up(args.tokens, kColumnGroup); token += kTileTokens) {
    pack_key_tokens(args, token);
  }
}

// Up to sixteen dimensions of one token as bytes in the low end of the lanes, zero point 128.
template <class Lanes>
inline I32x16 value_bytes(const PackValuesArgs& args, int token, int dim, F32x16 inv, Lanes lanes) {
  if (token >= args.tokens) {
    return I32x16::broadcast(kSymmetricZeroPoint);
  }
  const std::ptrdiff_t at = token * args.ldx + dim;
  return args.x_f32
             ? quantize_symmetric(load(args.x_f32 + at, lanes), inv) & I32x16::broadcast(0xFF)
             : I32x16::from_u8(load_bytes(args.x_u8 + at, lanes));
}

inline DynamicScale value_scale(const PackValuesArgs& args) {
  if (!args.x_f32) {
    return {args.static_scale, 0.0F};
  }
  F32x16 largest = F32x16::broadcast(0.0F);
  for (int token = 0; token < args.tokens; ++token) {
    largest = absolute_maximum(args.x_f32 + token * args.ldx, args.head_dim, largest);
  }
  return symmetric_scale(fold_maximum(largest));
}

// Four tokens share a dword, so a lane needs no transposition: it is assembled by shifts.
inline void pack_values_body(const PackValuesArgs& args) {
  const DynamicScale dynamic = value_scale(args);
  const F32x16 inv = F32x16::broadcast(dynamic.inv);
  const I32x16 zero_points = I32x16::broadcast(static_cast<std::int32_t>(0x80808080U));
  for (int token = 0; token < args.tokens; token += kDepthGroup) {
    for_vectors(args.head_dim, [&](int dim, auto lanes) {
      const I32x16 bytes = value_bytes(args, token, dim, inv, lanes) |
                           shift_left<8>(value_bytes(args, token + 1, dim, inv, lanes)) |
                           shift_left<16>(value_bytes(args, token + 2, dim, inv, lanes)) |
                           shift_left<24>(value_bytes(args, token + 3, dim, inv, lanes));
      const PackedColumns to = packed_columns(args.packed, args.head_dim, args.tokens, dim);
      keep(bytes ^ zero_points, lanes).store(to.first + token / kDepthGroup * to.stride);
    });
  }
  for (int i = 0; i < round_up(args.head_dim, kColumnGroup); i += kLanes) {
    F32x16::broadcast(dynamic.scale).store(args.column_scale + i);
  }
}

// The sum of a row of bytes.
inline std::int32_t byte_sum(const std::uint8_t* p, int cols) {
  const __m128i zero = _mm_setzero_si128();
  __m128i sum = zero;
  for_vectors(cols, [&](int i, auto lanes) {
    sum = _mm_add_epi64(sum, _mm_sad_epu8(load_bytes(p + i, lanes), zero));
  });
  return _mm_cvtsi128_si32(_mm_add_epi64(sum, _mm_unpackhi_epi64(sum, sum)));
}

// Rows of a softmax in step: as many chains as the registers hold. The bytes are summed afterwards,
// which costs less than keeping a sum of each row in a register.
template <int kRows>
inline void softmax_u8_rows(const SoftmaxU8Args& args, int row) {
  using Rows = Wide<kRows>;
  const float* x = args.x + row * args.ldx;
  std::uint8_t* p = args.p + row * args.ldp;
  const std::ptrdiff_t ldx = args.ldx;
  const std::ptrdiff_t ldp = args.ldp;
  const Rows largest =
      Rows::each([&](int j) { return F32x16::broadcast(row_maximum(x + j * ldx, args.cols)); });
  for_vectors(args.cols, [&](int i, auto lanes) {
    const Rows e =
        exp_255(Rows::each([&](int j) { return load(x + j * ldx + i, lanes); }) - largest);
#pragma GCC unroll 8
    for (int j = 0; j < kRows; ++j) {
      store_bytes(round_to_i32(e.v[j]), p + j * ldp + i, lanes);
    }
  });
  for (int j = 0; j < kRows; ++j) {
    args.inv_sum[row + j] = 1.0F / static_cast<float>(byte_sum(p + j * ldp, args.cols));
    for (int i = args.cols; i < round_up(args.cols, kDepthGroup); ++i) {
      p[j * ldp + i] = 0;
    }
  }
}

inline void softmax_u8_body(const SoftmaxU8Args& args) {
  int row = 0;
  for (; row + kVectorsInStep <= args.rows; row += kVectorsInStep) {
    softmax_u8_rows<kVectorsInStep>(args, row);
  }
  for (; row < args.rows; ++row) {
    softmax_u8_rows<1>(args, row);
  }
}

}  // namespace
}  // namespace qe::kernels
