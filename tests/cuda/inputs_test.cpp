// The plain numbers of a session on a GPU: sizes that graphs are recorded for, and the memory that
// holds a run's inputs.
#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <vector>

#include "engine/backends/cuda/inputs.h"

namespace {

using qe::cuda::Bucket;
using qe::cuda::bucket_of;
using qe::cuda::InputLayout;

constexpr Bucket kMost{.sequences = 48, .tokens = 5000, .longest = 500};

TEST_CASE("buckets hold what they are for, little more, and never more than the plan") {
  for (int tokens = 1; tokens <= kMost.tokens; ++tokens) {
    const Bucket bucket = bucket_of({.sequences = 1, .tokens = tokens, .longest = 1}, kMost);
    CHECK(bucket.tokens >= tokens);
    CHECK(bucket.tokens <= kMost.tokens);
    CHECK(2 * bucket.tokens <= 3 * tokens + 1);
  }
  for (int sequences = 1; sequences <= kMost.sequences; ++sequences) {
    const Bucket bucket =
        bucket_of({.sequences = sequences, .tokens = kMost.tokens, .longest = 1}, kMost);
    CHECK(bucket.sequences >= sequences);
    CHECK(bucket.sequences <= kMost.sequences);
  }
  for (int longest = 1; longest <= kMost.longest; ++longest) {
    const Bucket bucket =
        bucket_of({.sequences = 1, .tokens = kMost.tokens, .longest = longest}, kMost);
    CHECK(bucket.longest >= longest);
    CHECK(bucket.longest <= kMost.longest);
  }
  constexpr int kLargest = std::numeric_limits<int>::max();
  for (const int tokens : {(1 << 30) + 1, 1'700'000'000, kLargest}) {
    const Bucket any{.sequences = tokens, .tokens = tokens, .longest = tokens};
    const Bucket bucket =
        bucket_of(any, {.sequences = kLargest, .tokens = kLargest, .longest = kLargest});
    CHECK(std::min({bucket.sequences, bucket.tokens, bucket.longest}) >= tokens);
  }
  // The batches of benchmarks are their own buckets.
  for (const int batch : {1, 8, 32, 128}) {
    const Bucket exact{.sequences = batch, .tokens = 128 * batch, .longest = 128};
    CHECK((bucket_of(exact, {.sequences = 128, .tokens = 1 << 20, .longest = 512}) == exact));
  }
}

TEST_CASE("inputs lie where the layout says, in no more memory than the plan's capacity has") {
  std::mt19937 random(5);
  for (int round = 0; round < 200; ++round) {
    CAPTURE(round);
    const int sequences = 1 + static_cast<int>(random() % 48);
    std::vector<std::int32_t> offsets = {0};
    for (int s = 0; s < sequences; ++s) {
      offsets.push_back(offsets.back() + 1 + static_cast<std::int32_t>(random() % 104));
    }
    const int tokens = offsets.back();
    std::vector<std::int32_t> ids(static_cast<std::size_t>(tokens));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(random());
    const qe::RunInputs inputs{.token_ids = ids.data(),
                               .type_ids = ids.data(),
                               .position_ids = ids.data(),
                               .offsets = offsets.data(),
                               .tokens = tokens,
                               .sequences = sequences};
    const Bucket bucket = bucket_of(qe::cuda::size_of(inputs), kMost);
    const InputLayout layout(bucket);
    CHECK(layout.bytes <= InputLayout(kMost).bytes);
    std::vector<std::byte> memory(layout.bytes);
    qe::cuda::write_inputs(inputs, layout, memory.data());
    const auto at = [&](std::size_t offset) {
      return reinterpret_cast<const std::int32_t*>(memory.data() + offset);
    };
    CHECK(*at(layout.tokens) == tokens);
    CHECK(*at(layout.sequences) == sequences);
    for (const std::size_t array : {layout.token_ids, layout.type_ids, layout.position_ids}) {
      CHECK(std::equal(ids.begin(), ids.end(), at(array)));
    }
    CHECK(std::equal(offsets.begin(), offsets.end(), at(layout.offsets)));
    // The blocks are all queries, each once.
    const int blocks = *at(layout.blocks);
    CHECK(blocks <= layout.block_capacity);
    int covered = 0;
    for (int i = 0; i < blocks; ++i) {
      const auto s = static_cast<std::size_t>(at(layout.block_list)[2 * i]);
      const int first = at(layout.block_list)[2 * i + 1];
      CHECK(first % qe::kernels::cuda::kQueryBlock == 0);
      covered += std::min(offsets[s + 1] - offsets[s] - first, int{qe::kernels::cuda::kQueryBlock});
    }
    CHECK(covered == tokens);
    for (int s = 0; s < sequences; ++s) {
      CHECK(at(layout.first_queries)[2 * s] == s);
      CHECK(at(layout.first_queries)[2 * s + 1] == 0);
    }
  }
}

}  // namespace
