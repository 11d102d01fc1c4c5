// The GPU's attention on one batch of sequences against the CPU's on the reference kernels, bit for
// bit. Results start as a pattern that must stay where nothing is to be written.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "kernels/attention.h"
#include "kernels/cuda/attention.h"
#include "tests/cuda/gpu_support.h"
#include "tests/kernels/kernel_test.h"

namespace qe::test {

using kernels::cuda::AttentionWork;
namespace cuda = kernels::cuda;

struct AttentionBatch {
  int heads, head_dim;
  bool first_query_only, out_bytes;
  int start;  // elements before the first row
  std::ptrdiff_t ld, ld_out;
  std::vector<std::int32_t> offsets;
  std::vector<AttentionWork> work;
  int longest = 0;

  int width() const { return heads * head_dim; }
  int sequences() const { return static_cast<int>(offsets.size()) - 1; }
  int out_rows() const { return first_query_only ? sequences() : offsets.back(); }
  // Queries, keys and values lie side by side, as one product writes them.
  std::size_t in_size() const { return static_cast<std::size_t>(start + offsets.back() * ld); }
  std::size_t out_size() const { return static_cast<std::size_t>(start + out_rows() * ld_out); }
  // Queries of their own: a row a sequence.
  std::size_t query_size() const { return static_cast<std::size_t>(start + sequences() * ld); }
};

// Without work yet.
AttentionBatch batch_of(const std::vector<int>& lengths, int heads, int head_dim);
// As the engine makes it: every block of queries of every sequence, in no promised order.
void make_work(AttentionBatch& batch, Random& random);
AttentionBatch random_batch(Random& random);

// What a launch allows for beyond its batch: that is what its shape is chosen by.
struct Spare {
  int blocks = 0;
  int tokens = 0;
};

// What both kinds of launches share, its arrays in device memory.
struct DeviceBatch {
  DeviceArray<std::int32_t> offsets, work_count;
  DeviceArray<AttentionWork> work;

  explicit DeviceBatch(const AttentionBatch& batch);
  cuda::AttentionLaunch launch(const AttentionBatch& batch, const Spare& spare) const;
};

// Launches and waits.
void run(const cuda::AttentionLaunch& launch);

// Changes rows of queries, keys and values that are side by side, as many as tokens.
using Edit = std::function<void(const AttentionBatch&, std::span<float>)>;
void check_dynamic(
    const AttentionBatch& batch, Random& random, const Edit& edit = [](auto&, auto) {});

// Bytes in; bytes (std::uint8_t) or floats out.
template <class Out>
void check_static(const AttentionBatch& batch, Random& random);

}  // namespace qe::test
