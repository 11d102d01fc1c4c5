// Where everything of the attention kernel lies: who takes which queries, keys and values, the
// places of quantized keys and values in shared memory, and the way of softmax bytes from the
// accumulators of one product to the operand of the next. Plain constexpr arithmetic, used by the
// kernel and checked on the host by tests/cuda/attention_maps_test.cpp.
#pragma once

#include <cstddef>

#include "kernels/cuda/tile_maps.h"

namespace qe::kernels::cuda {

inline constexpr int kMaxHeadDim = 128;
inline constexpr int kAttentionWarps = 8;
inline constexpr int kAttentionThreads = kAttentionWarps * kWarpLanes;
inline constexpr int kWarpQueries = 16;
inline constexpr int kQueryBlock = kAttentionWarps * kWarpQueries;
// A launch of few queries a sequence has blocks of half as many warps.
inline constexpr int kFewWarps = kAttentionWarps / 2;

// Tokens are taken in groups of as many as one instruction has depth: four fragments of scores, and
// one step of the second product.
inline constexpr int kTokenGroup = kInstructionDepth;
inline constexpr int kGroupFragments = kTokenGroup / 8;

constexpr int padded_tokens(int tokens) {
  return (tokens + kTokenGroup - 1) / kTokenGroup * kTokenGroup;
}
// Scores of so many tokens stay in registers between the two uses of them ...
inline constexpr int kHeldTokens = 128;
inline constexpr int kHeldGroups = kHeldTokens / kTokenGroup;
// ... of heads of so many steps, which leave room for them.
inline constexpr int kHeldSteps = 2;

// Steps of depth of the first product; the head is zero beyond its elements.
constexpr int head_steps(int head_dim) {
  return (head_dim + kInstructionDepth - 1) / kInstructionDepth;
}

// Keys lie as rows [token][element], values as rows [element][place of a token], an odd number of
// 16-byte pieces apart: eight rows at one depth lie in eight different bank groups.
constexpr int key_stride(int steps) { return steps * kInstructionDepth + kChunkBytes; }
constexpr int value_stride(int places) { return places + kChunkBytes; }

// Places of tokens in shared memory for sequences of up to `tokens`. Short ones have a layout of
// their own, so that addresses are constants.
constexpr int token_places(int tokens) {
  return padded_tokens(tokens < kHeldTokens ? kHeldTokens : tokens);
}

// Offsets in shared memory; `places` is a multiple of kTokenGroup.
struct AttentionLayout {
  std::size_t keys, values, key_scale, folds, bytes;
};
constexpr AttentionLayout attention_layout(int places, int steps) {
  const std::size_t values = static_cast<std::size_t>(places) * key_stride(steps);
  const std::size_t key_scale =
      values + static_cast<std::size_t>(value_stride(places)) * steps * kInstructionDepth;
  const std::size_t folds = key_scale + static_cast<std::size_t>(places) * sizeof(float);
  return {.keys = 0,
          .values = values,
          .key_scale = key_scale,
          .folds = folds,
          .bytes = folds + kAttentionWarps * sizeof(float)};
}

// Behind it, where warps share a tile of queries: the largest scores of every warp's rows, and its
// accumulators but for the first sharer's.
inline constexpr int kMostSharers = 4;
inline constexpr int kSharedLargestBytes = kAttentionWarps * kWarpQueries * 4;
constexpr std::size_t shared_context_bytes(int steps) {
  return kSharedLargestBytes +
         static_cast<std::size_t>(kAttentionWarps) * (steps * 4 + 1) * kWarpLanes * kChunkBytes;
}

// Quantization of keys: kKeyLanes lanes a token, each with four elements of every step.
inline constexpr int kKeyLanes = 8;
constexpr int key_column(int lane, int step) {
  return step * kInstructionDepth + lane % kKeyLanes * 4;
}
// Scales of keys lie as a lane of the first product needs them: those of its eight tokens of a
// group one after another, score `index` of fragment `fragment` being fragment * 2 + index % 2 of
// them.
inline constexpr int kLaneScales = kGroupFragments * 2;
constexpr int key_scale_place(int token) {
  const auto t = static_cast<unsigned>(token);
  return static_cast<int>(t / kTokenGroup * kTokenGroup + t % 8 / 2 * kLaneScales +
                          t % kTokenGroup / 8 * 2 + t % 2);
}

// The depth of the second product is in the order in which accumulators hold scores, so that a
// lane's bytes are its operand as they are: register r of the operand, byte b, is accumulator
// `index` of fragment `fragment` of the group ...
struct ScoreRegister {
  int fragment, index;
};
constexpr ScoreRegister operand_score(int r, int b) {
  return {r / 2 * 2 + b / 2, r % 2 * 2 + b % 2};
}
// ... so the tokens of a group lie in the words of a row of values in this order: byte b of word w.
inline constexpr int kGroupWords = kTokenGroup / 4;
constexpr int word_token(int word, int byte) {
  return word / 4 * 16 + byte / 2 * 8 + word % 4 * 2 + byte % 2;
}

// Quantization of values: a lane has four tokens, one word, times four elements, which are a column
// of loads and four words in as many rows. A warp has one group of tokens and 16 elements at a
// time, a unit of work; of units for `steps` steps of elements:
constexpr int value_units(int padded, int steps) { return padded / kTokenGroup * steps * 2; }
struct ValueItem {
  int group, word, column;
};
constexpr ValueItem value_item(int unit, int lane, int steps) {
  const auto u = static_cast<unsigned>(unit);
  const unsigned pieces = static_cast<unsigned>(steps) * 2;
  return {static_cast<int>(u / pieces), lane / 4, static_cast<int>(u % pieces) * 16 + lane % 4 * 4};
}

// Four elements of the queries in register r of the operand of the first product: row of the
// warp's 16, and column within a step.
constexpr int query_row(int lane, int r) { return lane / 4 + r % 2 * 8; }
constexpr int query_column(int lane, int r) { return r / 2 * kChunkBytes + lane % 4 * 4; }

}  // namespace qe::kernels::cuda
