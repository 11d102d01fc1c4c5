// The index maps of attention: the order of tokens in the depth of the second product, who
// quantizes what, and shared memory. That the kernel puts them together rightly is shown by running
// it (tests/cuda/simt).
#include "kernels/cuda/attention_maps.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "kernels/cuda/attention.h"

namespace {

using namespace qe::kernels::cuda;

// Shared memory has 32 banks of 4 bytes; lanes that touch different words of one wait for each
// other. The most words of one bank.
int words_of_a_bank(const std::vector<int>& addresses) {
  std::array<std::set<int>, 32> banks;
  for (const int address : addresses) {
    banks[static_cast<std::size_t>(address / 4 % 32)].insert(address / 4);
  }
  std::size_t most = 0;
  for (const auto& bank : banks) most = std::max(most, bank.size());
  return static_cast<int>(most);
}

}  // namespace

// The operand along the rows has byte b of register r of a lane at depth 16 (r / 2) +
// 4 (lane % 4) + b, in row lane / 4 + 8 (r % 2) (PTX ISA, m16n8k32): there the values must have the
// token whose score the accumulator is.
TEST_CASE("softmax bytes meet the values of their tokens, and the rows of their queries") {
  std::set<std::pair<int, int>> seen;
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    for (int r = 0; r < 4; ++r) {
      for (int b = 0; b < 4; ++b) {
        const ScoreRegister score = operand_score(r, b);
        const int token = score.fragment * 8 + accumulator_column(lane, score.index);
        const int depth = r / 2 * 16 + lane % 4 * 4 + b;
        CHECK(word_token(depth / 4, depth % 4) == token);
        CHECK(accumulator_row(lane, score.index) == lane / 4 + r % 2 * 8);
        seen.insert({accumulator_row(lane, score.index), token});
      }
    }
  }
  CHECK(seen.size() == static_cast<std::size_t>(kWarpQueries * kTokenGroup));
}

TEST_CASE("queries lie in registers as the instruction takes them") {
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    for (int r = 0; r < 4; ++r) {
      CHECK(query_row(lane, r) == lane / 4 + r % 2 * 8);
      CHECK(query_column(lane, r) == r / 2 * 16 + lane % 4 * 4);
    }
  }
}

TEST_CASE("every key and value is quantized once") {
  for (int steps = 1; steps <= head_steps(kMaxHeadDim); ++steps) {
    std::set<int> columns;
    for (int lane = 0; lane < kKeyLanes; ++lane) {
      for (int step = 0; step < steps; ++step) {
        CHECK(key_column(lane, step) % 4 == 0);
        columns.insert(key_column(lane, step));
      }
    }
    CHECK(columns.size() == static_cast<std::size_t>(steps * kInstructionDepth / 4));
    CHECK(*columns.rbegin() == steps * kInstructionDepth - 4);

    constexpr int kGroups = 3;
    std::set<std::tuple<int, int, int>> items;
    for (int unit = 0; unit < value_units(kGroups * kTokenGroup, steps); ++unit) {
      for (int lane = 0; lane < kWarpLanes; ++lane) {
        const ValueItem item = value_item(unit, lane, steps);
        CHECK((item.group < kGroups && item.word < kGroupWords));
        CHECK((item.column % 4 == 0 && item.column < steps * kInstructionDepth));
        items.insert({item.group, item.word, item.column});
      }
    }
    CHECK(items.size() ==
          static_cast<std::size_t>(kGroups * kGroupWords * steps * kInstructionDepth / 4));
  }
}

TEST_CASE("a lane finds the scales of its keys one after another") {
  for (int lane = 0; lane < kWarpLanes; ++lane) {
    for (int fragment = 0; fragment < kGroupFragments; ++fragment) {
      for (int index = 0; index < 4; ++index) {
        const int token = fragment * 8 + accumulator_column(lane, index);
        for (const int group : {0, 3 * kTokenGroup}) {
          CHECK(key_scale_place(group + token) ==
                group + lane % 4 * kLaneScales + fragment * 2 + index % 2);
        }
      }
    }
  }
}

TEST_CASE("attention's shared memory: pieces apart and aligned, few bank conflicts") {
  for (int steps = 1; steps <= head_steps(kMaxHeadDim); ++steps) {
    for (int padded = kTokenGroup; padded <= 512; padded += kTokenGroup) {
      const AttentionLayout layout = attention_layout(padded, steps);
      CHECK(layout.values - layout.keys == static_cast<std::size_t>(padded * key_stride(steps)));
      CHECK(layout.key_scale - layout.values ==
            static_cast<std::size_t>(steps * kInstructionDepth * value_stride(padded)));
      CHECK(layout.key_scale % kChunkBytes == 0);
      CHECK(layout.folds % kChunkBytes == 0);
      CHECK(layout.bytes % kChunkBytes == 0);
      CHECK(layout.folds - layout.key_scale == padded * sizeof(float));
      CHECK(layout.bytes - layout.folds == kAttentionWarps * sizeof(float));
      // ldmatrix takes eight rows of 16 bytes at a time.
      for (const int stride : {key_stride(steps), value_stride(padded)}) {
        CHECK(stride % kChunkBytes == 0);
        std::vector<int> addresses;
        for (int i = 0; i < 32; ++i) addresses.push_back(i / 4 * stride + i % 4 * 4);
        CHECK(words_of_a_bank(addresses) == 1);
      }
      std::vector<int> keys;
      std::vector<int> values;
      for (int lane = 0; lane < kWarpLanes; ++lane) {
        keys.push_back(lane / kKeyLanes * key_stride(steps) + key_column(lane, 0));
        const ValueItem item = value_item(0, lane, steps);
        values.push_back(item.column * value_stride(padded) + item.word * 4);
      }
      CHECK(words_of_a_bank(keys) <= 2);
      CHECK(words_of_a_bank(values) <= 2);
    }
  }
}

TEST_CASE("what warps share fits besides short sequences") {
  constexpr std::size_t kOfCompute86 = 101376;  // the least of what the kernels are for
  CHECK(kSharedLargestBytes % kChunkBytes == 0);
  CHECK(shared_context_bytes(2) == 512 + 8 * 9 * 512);
  CHECK(attention_shared_bytes(kHeldTokens, kHeldSteps * kInstructionDepth) +
            shared_context_bytes(kHeldSteps) <=
        kOfCompute86);
}

TEST_CASE("attention's shared memory for what a GPU gives a block") {
  constexpr std::size_t kOfCompute90 = 232448;
  CHECK(attention_shared_bytes(128, 64) == 128 * 80 + 64 * 144 + 128 * 4 + 32);
  CHECK(attention_shared_bytes(512, 64) <= kOfCompute90 / 2);
  CHECK(attention_shared_bytes(512, 128) <= kOfCompute90);
  CHECK(attention_shared_bytes(1536, 64) <= kOfCompute90);
  CHECK(attention_shared_bytes(2048, 64) > kOfCompute90);
  CHECK(attention_shared_bytes(1, 1) == attention_shared_bytes(kHeldTokens, 32));
  CHECK(attention_shared_bytes(kHeldTokens + 1, 32) == attention_shared_bytes(kHeldTokens + 32, 1));
}
