// Plain memory: no call of CUDA.
#include "engine/backends/cuda/inputs.h"

#include <algorithm>

namespace qe::cuda {
namespace {

using kernels::cuda::AttentionWork;
using kernels::cuda::kQueryBlock;

constexpr std::size_t kPieceAlignment = 16;

template <class T>
T* at(std::byte* memory, std::size_t offset) {
  return reinterpret_cast<T*>(memory + offset);
}

}  // namespace

// Every sequence may have one block that is not whole.
InputLayout::InputLayout(const Bucket& bucket)
    : block_capacity(bucket.tokens / kQueryBlock + bucket.sequences) {
  const auto take = [this](int count, std::size_t element) {
    const std::size_t begin = bytes;
    const std::size_t piece = static_cast<std::size_t>(count) * element;
    bytes += (piece + kPieceAlignment - 1) / kPieceAlignment * kPieceAlignment;
    return begin;
  };
  tokens = take(1, sizeof(std::int32_t));
  sequences = take(1, sizeof(std::int32_t));
  blocks = take(1, sizeof(std::int32_t));
  token_ids = take(bucket.tokens, sizeof(std::int32_t));
  type_ids = take(bucket.tokens, sizeof(std::int32_t));
  position_ids = take(bucket.tokens, sizeof(std::int32_t));
  offsets = take(bucket.sequences + 1, sizeof(std::int32_t));
  block_list = take(block_capacity, sizeof(AttentionWork));
  first_queries = take(bucket.sequences, sizeof(AttentionWork));
}

Bucket size_of(const RunInputs& inputs) {
  Bucket size{.sequences = inputs.sequences, .tokens = inputs.tokens};
  for (int s = 0; s < inputs.sequences; ++s) {
    size.longest = std::max(size.longest, inputs.offsets[s + 1] - inputs.offsets[s]);
  }
  return size;
}

void write_inputs(const RunInputs& inputs, const InputLayout& layout, std::byte* memory) {
  *at<std::int32_t>(memory, layout.tokens) = inputs.tokens;
  *at<std::int32_t>(memory, layout.sequences) = inputs.sequences;
  const auto copy = [&](const std::int32_t* from, int count, std::size_t to) {
    std::copy(from, from + count, at<std::int32_t>(memory, to));
  };
  copy(inputs.token_ids, inputs.tokens, layout.token_ids);
  copy(inputs.type_ids, inputs.tokens, layout.type_ids);
  copy(inputs.position_ids, inputs.tokens, layout.position_ids);
  copy(inputs.offsets, inputs.sequences + 1, layout.offsets);
  auto* const first_queries = at<AttentionWork>(memory, layout.first_queries);
  auto* const list = at<AttentionWork>(memory, layout.block_list);
  int blocks = 0;
  for (int s = 0; s < inputs.sequences; ++s) {
    const int length = inputs.offsets[s + 1] - inputs.offsets[s];
    first_queries[s] = {.sequence = s, .first_query = 0};
    for (int query = 0; query < length; query += kQueryBlock) {
      list[blocks++] = {.sequence = s, .first_query = query};
    }
  }
  *at<std::int32_t>(memory, layout.blocks) = blocks;
}

}  // namespace qe::cuda
