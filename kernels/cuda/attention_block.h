// What the blocks of the attention kernel are given, and what one of them does and where. Device
// code.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/attention.h"
#include "kernels/cuda/query_block.h"

namespace qe::kernels::cuda {

// Queries, keys and values: floats, bytes with a scale for all, or floats for values alone and for
// the others bytes with a scale for each row and head.
enum class Form : std::uint8_t { kFloats, kBytes, kScaledBytes };

// What every block gets. Scaled bytes: x.q_u8 and x.k_u8 lead to them.
struct Attention {
  AttentionLaunch x;
  const float* q_scales;  // of the first head's rows, which lie as all rows do
  const float* k_scales;
  float score_scale;    // what the scale of a key is multiplied by; static: that of all keys, whole
  float context_scale;  // static: what the inverse sum is multiplied by
  unsigned q_row, kv_row;  // bytes from row to row
  int block_queries;       // of a block, at most
  int tile_bits;           // warps 1 << tile_bits apart share a tile of queries
  bool in_steps;           // heads are whole steps of depth, of aligned pieces of four elements
  bool in_fours;           // heads are such pieces
  bool out_pairs;          // rows of the result have aligned pairs
};

// What one block does, and where it keeps it.
struct AttentionBlock : QueryBlock {
  std::byte* shared;
  AttentionLayout layout;
  int places;  // of tokens in shared memory
  int padded;  // tokens, in whole groups
  int tile_bits;
  int warp, lane, warps;

  // Tiles of 16 queries, this warp's, and its place among those that share it.
  __device__ __forceinline__ int tiles() const { return 1 << tile_bits; }
  __device__ __forceinline__ int tile() const { return warp & (tiles() - 1); }
  __device__ __forceinline__ int member() const { return warp >> tile_bits; }
  __device__ __forceinline__ int members() const { return warps >> tile_bits; }
  __device__ __forceinline__ int first_row() const { return tile() * kWarpQueries; }
  __device__ __forceinline__ bool has_queries() const { return first_row() < queries; }
  __device__ __forceinline__ float* key_scale() const {
    return reinterpret_cast<float*>(shared + layout.key_scale);
  }
};

// The operand of the first product for a warp's queries, and the scales of the two rows of which a
// lane gets scores (static: 1, for the keys' scale has it all).
template <int kSteps>
struct Queries {
  std::uint32_t operand[kSteps][4];
  float scale[2];
};

// Accumulators of the context, fragments of eight elements, and at last of the sums of bytes.
template <int kSteps>
struct Context {
  static constexpr int kSums = kSteps * 4;
  static constexpr int kFragments = kSums + 1;
  int acc[kFragments][4] = {};
};

}  // namespace qe::kernels::cuda
