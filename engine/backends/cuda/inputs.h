// The inputs of a run as one piece of memory, written on the host and copied to the GPU at once:
// counts, ids, offsets, and the list of attention's blocks of queries.
#pragma once

#include <cstddef>
#include <cstdint>

#include "engine/backends/cuda/buckets.h"
#include "engine/runtime/program.h"
#include "kernels/cuda/attention.h"

namespace qe::cuda {

// Where everything lies, in bytes from the beginning; arrays have a bucket's capacity.
struct InputLayout {
  explicit InputLayout(const Bucket& bucket);

  std::size_t tokens = 0;     // how many there are
  std::size_t sequences = 0;  // how many there are
  std::size_t blocks = 0;     // how many blocks of queries there are
  std::size_t token_ids = 0, type_ids = 0, position_ids = 0;
  std::size_t offsets = 0;        // [sequences + 1]
  std::size_t block_list = 0;     // blocks of the queries of all tokens
  std::size_t first_queries = 0;  // a block a sequence: its first query alone
  std::size_t bytes = 0;
  int block_capacity = 0;
};

// What a run asks of a bucket.
Bucket size_of(const RunInputs& inputs);

// Writes a run that fits the layout's bucket to `memory`, layout.bytes of it.
void write_inputs(const RunInputs& inputs, const InputLayout& layout, std::byte* memory);

}  // namespace qe::cuda
