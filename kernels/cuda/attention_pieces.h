// Queries, keys and values four elements at a time: loading them, and their s8 by the rules of
// symmetric dynamic quantization or from bytes that have 128 for zero. Device code.
//
// No load depends on whether there is anything: for a row beyond the last that one is taken, for an
// element beyond the head another one of it. That changes no largest magnitude, and nothing comes
// of it: scores of tokens that do not exist are not numbers, so their bytes are 0; queries get
// zeros where heads end.
#pragma once

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/attention_block.h"
#include "kernels/cuda/fold.h"
#include "kernels/cuda/fours.h"
#include "kernels/cuda/signed_bytes.h"

namespace qe::kernels::cuda {

struct FourFloats {
  float x[4];
};
using FourBytes = std::uint32_t;

template <bool kStatic>
using Piece = std::conditional_t<kStatic, FourBytes, FourFloats>;
template <bool kStatic>
using ElementOf = std::conditional_t<kStatic, std::uint8_t, float>;

constexpr int lesser(int a, int b) { return a < b ? a : b; }

template <bool kStatic>
__device__ __forceinline__ const ElementOf<kStatic>* choose(const float* floats,
                                                            const std::uint8_t* bytes) {
  if constexpr (kStatic) {
    return bytes;
  } else {
    return floats;
  }
}

// What heads are made of: whole steps of depth in aligned pieces of four elements, such pieces, or
// single elements.
enum class Heads { kInSteps, kInPieces, kInElements };

// Elements [at, at + 4) of a head's row of `end` elements.
template <Heads kHeads>
__device__ __forceinline__ FourFloats load_piece(const float* row, int at, int end) {
  FourFloats piece;
  if constexpr (kHeads == Heads::kInElements) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      piece.x[i] = row[lesser(at + i, end - 1)];
    }
  } else {
    const int there = kHeads == Heads::kInSteps ? at : lesser(at, end - 4);
    const float4 four = *reinterpret_cast<const float4*>(row + there);
    piece = {{four.x, four.y, four.z, four.w}};
  }
  return piece;
}
template <Heads kHeads>
__device__ __forceinline__ FourBytes load_piece(const std::uint8_t* row, int at, int end) {
  if constexpr (kHeads == Heads::kInElements) {
    const auto byte = [&](int i) { return std::uint32_t{row[lesser(at + i, end - 1)]}; };
    return pack_bytes(byte(0), byte(1), byte(2), byte(3));
  } else {
    const int there = kHeads == Heads::kInSteps ? at : lesser(at, end - 4);
    return *reinterpret_cast<const FourBytes*>(row + there);
  }
}

// operand.load() of keys, values or queries.
template <class Operand>
__device__ __forceinline__ void load(Operand& operand, const Attention& p,
                                     const AttentionBlock& block) {
  if (p.in_steps) {
    operand.template load<Heads::kInSteps>(p, block);
  } else if (p.in_fours) {
    operand.template load<Heads::kInPieces>(p, block);
  } else {
    operand.template load<Heads::kInElements>(p, block);
  }
}

// A head's rows, from the first of a sequence on. Offsets of 32 bits do (attention.h).
template <class T>
struct HeadRows {
  const T* base;
  unsigned row_bytes, last;  // of rows, and where the last one is

  __device__ __forceinline__ const T* at(unsigned offset) const {
    return reinterpret_cast<const T*>(reinterpret_cast<const std::byte*>(base) +
                                      (offset < last ? offset : last));
  }
};
// The rows from `first` on, `row_bytes` apart, of what begins at `all`, from a column on.
template <class T>
__device__ __forceinline__ HeadRows<T> head_rows(const T* all, int column, int first, int count,
                                                 unsigned row_bytes) {
  const auto* bytes = reinterpret_cast<const std::byte*>(all + column);
  return {reinterpret_cast<const T*>(
              bytes + static_cast<std::size_t>(static_cast<unsigned>(first)) * row_bytes),
          row_bytes, static_cast<unsigned>(count - 1) * row_bytes};
}
template <class T>
__device__ __forceinline__ HeadRows<T> key_rows(const T* all, int column, const Attention& p,
                                                const AttentionBlock& block) {
  return head_rows(all, column, block.first_token, block.tokens, p.kv_row);
}
template <class T>
__device__ __forceinline__ HeadRows<T> query_rows(const T* all, int column, const Attention& p,
                                                  const AttentionBlock& block) {
  return head_rows(all, column, block.first_query, block.queries, p.q_row);
}

// The piece with real zeros for what is at `count` or beyond.
__device__ __forceinline__ FourFloats cut(const FourFloats& piece, int at, int count) {
  FourFloats result;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    result.x[i] = at + i < count ? piece.x[i] : 0.0F;
  }
  return result;
}
__device__ __forceinline__ FourBytes cut(FourBytes piece, int at, int count) {
  const int left = count - at;
  const std::uint32_t there = left >= 4 ? ~0U : left <= 0 ? 0U : ~(~0U << (8 * left));
  return (piece & there) | (kSymmetricZeroPoint * 0x01010101U & ~there);
}

// The largest of `largest`, a number, and four magnitudes; NaN is passed over.
__device__ __forceinline__ float magnitude_of(const FourFloats& piece, float largest) {
  const auto of_pair = [&](int i) {
    return Largest{}(std::fabs(piece.x[i]), std::fabs(piece.x[i + 1]));
  };
  return Largest{}(Largest{}(of_pair(0), of_pair(2)), largest);
}

// The low bytes of four words in one.
__device__ __forceinline__ std::uint32_t pack_low_bytes(std::uint32_t a, std::uint32_t b,
                                                        std::uint32_t c, std::uint32_t d) {
  return pack_bytes(a & 0xFFU, b & 0xFFU, c & 0xFFU, d & 0xFFU);
}

// Four elements of one row as s8.
__device__ __forceinline__ std::uint32_t row_word(const FourFloats& piece, float inv) {
  const auto q = [&](int i) { return quantize_signed(piece.x[i], inv); };
  return pack_low_bytes(q(0), q(1), q(2), q(3));
}
// The sign bit of four bytes turned over: u8 with zero point 128 to s8.
__device__ __forceinline__ std::uint32_t row_word(FourBytes piece, float /*inv*/) {
  return piece ^ 0x80808080U;
}

// Four elements of the operand; of scaled bytes they are that.
template <Form kForm, class P>
__device__ __forceinline__ std::uint32_t operand_word(const P& piece, float inv) {
  if constexpr (kForm == Form::kScaledBytes) {
    return piece;
  } else {
    return row_word(piece, inv);
  }
}

// Element `column` of four rows as s8.
__device__ __forceinline__ std::uint32_t column_word(const FourFloats (&rows)[4], unsigned column,
                                                     float inv) {
  const auto q = [&](int row) { return quantize_signed(rows[row].x[column], inv); };
  return pack_low_bytes(q(0), q(1), q(2), q(3));
}
__device__ __forceinline__ std::uint32_t column_word(const FourBytes (&rows)[4], unsigned column,
                                                     float inv) {
  const auto byte = [&](int row) { return rows[row] >> (8U * column); };
  return row_word(pack_low_bytes(byte(0), byte(1), byte(2), byte(3)), inv);
}

}  // namespace qe::kernels::cuda
