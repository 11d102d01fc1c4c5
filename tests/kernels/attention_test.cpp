// Whole attention heads: every instruction set gives the integers of a direct rendering of the
// definitions, and those are close to attention in floats.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/attention.h"
#include "kernels/reference/math.h"
#include "tests/kernels/attention_head.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_test.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 19530229;

// One head as docs/numerics.md defines it, without packing, blocks or tables: integers of both
// products are summed directly.
struct NaiveRow {
  std::vector<int> centered;
  float scale;
};

NaiveRow naive_quantize(const float* x, int count, float absmax) {
  NaiveRow row{{}, absmax / 127.0F};
  const float inv = 127.0F / absmax;
  for (int i = 0; i < count; ++i) {
    row.centered.push_back(static_cast<int>(std::nearbyint(std::fma(x[i], inv, 128.0F))) - 128);
  }
  return row;
}

float naive_absmax(const float* x, int count) {
  float largest = 0.0F;
  for (int i = 0; i < count; ++i) {
    largest = std::max(largest, std::fabs(x[i]));
  }
  return largest;
}

struct NaiveHead {
  std::vector<NaiveRow> q, k, v;
};

NaiveHead naive_dynamic(const std::vector<float>& qkv, Head head, std::ptrdiff_t ld) {
  NaiveHead out;
  const float* v = qkv.data() + 2 * static_cast<std::ptrdiff_t>(head.head_dim);
  float largest = 0.0F;
  for (int t = 0; t < head.tokens; ++t) {
    largest = std::max(largest, naive_absmax(v + t * ld, head.head_dim));
  }
  for (int t = 0; t < head.tokens; ++t) {
    const float* q = qkv.data() + t * ld;
    const float* k = q + head.head_dim;
    out.q.push_back(naive_quantize(q, head.head_dim, naive_absmax(q, head.head_dim)));
    out.k.push_back(naive_quantize(k, head.head_dim, naive_absmax(k, head.head_dim)));
    out.v.push_back(naive_quantize(v + t * ld, head.head_dim, largest));
  }
  return out;
}

constexpr float kQueryScale = 0.021F;
constexpr float kKeyScale = 0.017F;
constexpr float kValueScale = 0.013F;
constexpr float kOutInvScale = 55.0F;
constexpr float kOutZeroPoint = 121.0F;

NaiveHead naive_static(const std::vector<std::uint8_t>& qkv, Head head, std::ptrdiff_t ld) {
  NaiveHead out;
  for (int t = 0; t < head.tokens; ++t) {
    const auto part = [&](int index, float scale) {
      NaiveRow row{{}, scale};
      for (int i = 0; i < head.head_dim; ++i) {
        row.centered.push_back(qkv[static_cast<std::size_t>(t * ld + index * head.head_dim + i)] -
                               128);
      }
      return row;
    };
    // The query's scale is part of the key's column scale: a single factor of the score.
    out.q.push_back(part(0, 1.0F));
    out.k.push_back(part(1, kKeyScale));
    out.v.push_back(part(2, kValueScale));
  }
  return out;
}

// Scores, bytes and their inverse sum for one query row.
struct NaiveProbabilities {
  std::vector<int> bytes;
  float inv_sum;
};

NaiveProbabilities naive_softmax(const NaiveHead& head, int row, float score_scale) {
  std::vector<float> score;
  for (const NaiveRow& key : head.k) {
    int sum = 0;
    for (std::size_t i = 0; i < key.centered.size(); ++i) {
      sum += head.q[row].centered[i] * key.centered[i];
    }
    score.push_back(static_cast<float>(sum) * (head.q[row].scale * (key.scale * score_scale)));
  }
  const float largest = *std::max_element(score.begin(), score.end());
  NaiveProbabilities out{{}, 0.0F};
  int total = 0;
  for (const float s : score) {
    out.bytes.push_back(static_cast<int>(std::nearbyint(kernels::reference::exp_255(s - largest))));
    total += out.bytes.back();
  }
  out.inv_sum = 1.0F / static_cast<float>(total);
  return out;
}

int naive_context(const NaiveHead& head, const NaiveProbabilities& p, int dim) {
  int sum = 0;
  for (std::size_t t = 0; t < head.v.size(); ++t) {
    sum += p.bytes[t] * head.v[t].centered[dim];
  }
  return sum;
}

constexpr Head kHeads[] = {{1, 64, 0},  {7, 32, 0},   {16, 64, 0},  {33, 20, 0},
                           {65, 64, 0}, {128, 64, 0}, {130, 32, 0}, {300, 64, 0}};

}  // namespace

TEST_CASE("attention of a dynamic head: the naive integers, on every table") {
  Random random(kSeed);
  for (const Head head : kHeads) {
    CAPTURE(head.tokens);
    CAPTURE(head.head_dim);
    const std::ptrdiff_t ld = 3 * static_cast<std::ptrdiff_t>(head.head_dim) + 5;
    const int queries = std::max(1, head.tokens - 2);
    std::vector<float> qkv(static_cast<std::size_t>(head.tokens * ld));
    random.fill(qkv, 1.0F);
    const NaiveHead naive = naive_dynamic(qkv, head, ld);
    const float score_scale = 1.0F / std::sqrt(static_cast<float>(head.head_dim));
    std::vector<float> expected;
    for (int row = 0; row < queries; ++row) {
      const NaiveProbabilities p = naive_softmax(naive, row, score_scale);
      for (int i = 0; i < head.head_dim; ++i) {
        expected.push_back(static_cast<float>(naive_context(naive, p, i)) *
                           (p.inv_sum * naive.v[0].scale));
      }
    }
    for (const KernelTable* table : all_tables()) {
      CAPTURE(table->name);
      GuardedBuffer<float> out(expected.size());
      // 64-byte pieces that end at the guard.
      GuardedBuffer<std::byte> scratch(attention_scratch_bytes(head.tokens, head.head_dim));
      attention_head(*table, {.q_f32 = qkv.data(),
                              .k_f32 = qkv.data() + head.head_dim,
                              .v_f32 = qkv.data() + 2 * head.head_dim,
                              .ld_q = ld,
                              .ld_kv = ld,
                              .queries = queries,
                              .tokens = head.tokens,
                              .head_dim = head.head_dim,
                              .out_f32 = out.data(),
                              .ld_out = head.head_dim,
                              .scratch = scratch.data()});
      REQUIRE(same_floats(out.span(), expected));
      REQUIRE(out.front_intact());
      REQUIRE(scratch.front_intact());
    }
  }
}

TEST_CASE("attention of a static head: the naive integers, on every table") {
  Random random(kSeed + 1);
  for (const Head head : kHeads) {
    CAPTURE(head.tokens);
    CAPTURE(head.head_dim);
    const std::ptrdiff_t ld = 3 * static_cast<std::ptrdiff_t>(head.head_dim) + 4;
    std::vector<std::uint8_t> qkv(static_cast<std::size_t>(head.tokens * ld));
    random.fill_bytes(std::span<std::uint8_t>(qkv));
    const NaiveHead naive = naive_static(qkv, head, ld);
    const float score_scale = kQueryScale * (1.0F / std::sqrt(static_cast<float>(head.head_dim)));
    std::vector<std::uint8_t> expected;
    for (int row = 0; row < head.tokens; ++row) {
      const NaiveProbabilities p = naive_softmax(naive, row, score_scale);
      for (int i = 0; i < head.head_dim; ++i) {
        expected.push_back(kernels::reference::round_to_u8(
            std::fma(static_cast<float>(naive_context(naive, p, i)),
                     p.inv_sum * (kValueScale * kOutInvScale), kOutZeroPoint)));
      }
    }
    for (const KernelTable* table : all_tables()) {
      CAPTURE(table->name);
      GuardedBuffer<std::uint8_t> out(expected.size());
      GuardedBuffer<std::byte> scratch(attention_scratch_bytes(head.tokens, head.head_dim));
      attention_head(*table, {.q_u8 = qkv.data(),
                              .k_u8 = qkv.data() + head.head_dim,
                              .v_u8 = qkv.data() + 2 * head.head_dim,
                              .ld_q = ld,
                              .ld_kv = ld,
                              .q_scale = kQueryScale,
                              .k_scale = kKeyScale,
                              .v_scale = kValueScale,
                              .queries = head.tokens,
                              .tokens = head.tokens,
                              .head_dim = head.head_dim,
                              .out_u8 = out.data(),
                              .ld_out = head.head_dim,
                              .out_inv_scale = kOutInvScale,
                              .out_zero_point = kOutZeroPoint,
                              .scratch = scratch.data()});
      REQUIRE(std::equal(expected.begin(), expected.end(), out.data()));
      REQUIRE(out.front_intact());
    }
  }
}

TEST_CASE("the scratch of a sequence serves every shorter one") {
  for (const int head_dim : {16, 64, 128}) {
    std::size_t shorter = 0;
    for (int tokens = 1; tokens <= 600; ++tokens) {
      const std::size_t bytes = attention_scratch_bytes(tokens, head_dim);
      CHECK(bytes >= shorter);
      shorter = bytes;
    }
  }
  // Blocks of 96 rows, where those of the longest sequence have 72.
  const std::vector<float> qkv(128 * 192, 1.0F);
  std::vector<float> out(128 * 64);
  GuardedBuffer<std::byte> scratch(attention_scratch_bytes(129, 64));
  attention_head(reference_table(), {.q_f32 = qkv.data(),
                                     .k_f32 = qkv.data() + 64,
                                     .v_f32 = qkv.data() + 128,
                                     .ld_q = 192,
                                     .ld_kv = 192,
                                     .queries = 128,
                                     .tokens = 128,
                                     .head_dim = 64,
                                     .out_f32 = out.data(),
                                     .ld_out = 64,
                                     .scratch = scratch.data()});
  CHECK(scratch.front_intact());
  CHECK(out.back() == out.front());
}

TEST_CASE("attention of integers is close to attention of floats") {
  Random random(kSeed + 2);
  constexpr Head kHead{64, 64, 192};
  std::vector<float> qkv(static_cast<std::size_t>(64 * 192));
  random.fill(qkv, 1.0F);
  std::vector<float> out(64 * 64);
  GuardedBuffer<std::byte> scratch(attention_scratch_bytes(64, 64));
  attention_head(reference_table(), {.q_f32 = qkv.data(),
                                     .k_f32 = qkv.data() + 64,
                                     .v_f32 = qkv.data() + 128,
                                     .ld_q = kHead.ld,
                                     .ld_kv = kHead.ld,
                                     .queries = 64,
                                     .tokens = 64,
                                     .head_dim = 64,
                                     .out_f32 = out.data(),
                                     .ld_out = 64,
                                     .scratch = scratch.data()});
  for (int row = 0; row < 64; ++row) {
    std::vector<double> weight;
    double total = 0.0;
    for (int t = 0; t < 64; ++t) {
      double dot = 0.0;
      for (int i = 0; i < 64; ++i) {
        dot += static_cast<double>(qkv[row * 192 + i]) * qkv[t * 192 + 64 + i];
      }
      weight.push_back(std::exp(dot / 8.0));
      total += weight.back();
    }
    for (int i = 0; i < 64; ++i) {
      double exact = 0.0;
      for (int t = 0; t < 64; ++t) {
        exact += weight[t] / total * qkv[t * 192 + 128 + i];
      }
      REQUIRE(std::fabs(out[row * 64 + i] - exact) < 0.05);
    }
  }
}

}  // namespace qe::test
