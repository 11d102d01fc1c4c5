// What every kernel of the product gets: the operands as the caller gave them, and where the parts
// of a depth that several blocks share are added up.
#pragma once

#include <cstddef>
#include <cstdint>

#include <qe/gemm_operands.h>

#include "kernels/cuda/byte_heads.h"

namespace qe::kernels::cuda {

// Types of the operands along the rows and along the columns of the fragments.
enum class Signs : std::uint8_t { kU8S8, kS8S8, kS8U8 };

// `swapped` kernels have the weights along the rows.
constexpr Signs operand_signs(bool swapped, Element activations) {
  return activations == Element::kS8 ? Signs::kS8S8 : swapped ? Signs::kS8U8 : Signs::kU8S8;
}

// A result of floats that goes on as bytes, q = quantize_floored(y), each row with a scale of its
// own above a floor that is the same for all: quantized where it is made, once the blocks of its
// rows have told each other their largest (row_bytes.h). What the result of floats would be is not
// written.
struct RowBytes {
  std::uint8_t* q = nullptr;  // [m]; null: results go where the operands say
  std::ptrdiff_t ldq = 0;     // a multiple of 16
  float* scale = nullptr;     // [m]
  float floor = 0.0F;
  // Memory that blocks share (row_bytes_plan.h).
  float* largest = nullptr;       // [columns of tiles][rows of whole tiles]
  unsigned int* gates = nullptr;  // [rows of tiles][warps] pairs, zero before the first launch
};

struct Product {
  GemmOperands x;
  GemmWeights w;
  // In the GPU's memory: how many of the x.m rows there are this time. Null: all. It is there
  // before the first of the launches that overlap, and read before the wait for those ahead.
  const std::int32_t* rows;
  int splits;              // parts of the depth
  int* partials;           // [tiles][splits][elements of a tile], where splits > 1
  unsigned int* arrivals;  // [tiles][warps], zero between launches
  ByteHeads heads;         // of floats without activation and residual
  RowBytes row_bytes;      // likewise, and of any activation
};

}  // namespace qe::kernels::cuda
