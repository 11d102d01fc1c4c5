// Attention kernels: every available instruction set has the bits of the reference (odd lengths,
// guard pages, special rows), and the reference agrees with a direct rendering of the definitions.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/attention.h"
#include "kernels/reference/math.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_test.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 19530225;

const KernelTable& reference_table() { return kernel_table(Isa::kReference); }

struct Head {
  int tokens;
  int head_dim;
  std::ptrdiff_t ld;
};

template <class Check>
void for_heads(Check check) {
  std::vector<int> lengths = {77, 128, 130};
  for (int i = 1; i <= 65; ++i) {
    lengths.push_back(i);
  }
  for (const int tokens : lengths) {
    for (const int head_dim : {32, 64, 4, 20, 72, 35}) {
      CAPTURE(tokens);
      CAPTURE(head_dim);
      check(Head{tokens, head_dim, head_dim + 5});
    }
  }
}

struct KeysRun {
  GuardedBuffer<std::int8_t> packed;
  GuardedBuffer<float> scale;
  GuardedBuffer<std::int32_t> offset;

  KeysRun(const KernelTable& table, const float* x_f32, const std::uint8_t* x_u8, Head head)
      : packed(packed_bytes(head.tokens, head.head_dim)),
        scale(static_cast<std::size_t>(round_up(head.tokens, kColumnGroup))),
        offset(scale.size()) {
    table.pack_keys({.x_f32 = x_f32,
                     .x_u8 = x_u8,
                     .ldx = head.ld,
                     .tokens = head.tokens,
                     .head_dim = head.head_dim,
                     .static_scale = 0.03F,
                     .score_scale = 0.125F,
                     .packed = packed.data(),
                     .column_scale = scale.data(),
                     .column_offset = offset.data()});
  }
  bool same(const KeysRun& other) const {
    return packed.same_bytes(other.packed) && scale.same_bytes(other.scale) &&
           offset.same_bytes(other.offset) && packed.front_intact();
  }
};

struct ValuesRun {
  GuardedBuffer<std::int8_t> packed;
  GuardedBuffer<float> scale;

  ValuesRun(const KernelTable& table, const float* x_f32, const std::uint8_t* x_u8, Head head)
      : packed(packed_bytes(head.head_dim, head.tokens)),
        scale(static_cast<std::size_t>(round_up(head.head_dim, kColumnGroup))) {
    table.pack_values({.x_f32 = x_f32,
                       .x_u8 = x_u8,
                       .ldx = head.ld,
                       .tokens = head.tokens,
                       .head_dim = head.head_dim,
                       .static_scale = 0.02F,
                       .packed = packed.data(),
                       .column_scale = scale.data()});
  }
  bool same(const ValuesRun& other) const {
    return packed.same_bytes(other.packed) && scale.same_bytes(other.scale) &&
           packed.front_intact();
  }
};

// The packed keys and values of a static head are those pack_weights makes of the same matrix.
std::vector<std::int8_t> packed_by_weights(const std::vector<std::int8_t>& w, int n, int k,
                                           std::vector<std::int32_t>& column_sum) {
  GuardedBuffer<std::int8_t> packed(packed_bytes(n, k));
  column_sum.assign(static_cast<std::size_t>(round_up(n, kColumnGroup)), 0);
  reference_table().pack_weights({.w = w.data(),
                                  .ldw = k,
                                  .n = n,
                                  .k = k,
                                  .first_panel = 0,
                                  .last_panel = panel_count(n),
                                  .packed = packed.data(),
                                  .column_sum = column_sum.data()});
  return {packed.span().begin(), packed.span().end()};
}

template <class Run, class T>
void check_tables(const T* x_f32, const std::uint8_t* x_u8, Head head) {
  const Run expected(reference_table(), x_f32, x_u8, head);
  for (const KernelTable* table : tables_beside_reference()) {
    CAPTURE(table->name);
    const Run run(*table, x_f32, x_u8, head);
    REQUIRE(run.same(expected));
  }
}

std::size_t extent(Head head) {
  return static_cast<std::size_t>((head.tokens - 1) * head.ld + head.head_dim);
}

}  // namespace

TEST_CASE("pack_keys and pack_values: bits of the reference") {
  Random random(kSeed);
  for_heads([&](Head head) {
    GuardedBuffer<float> x(extent(head));
    GuardedBuffer<std::uint8_t> bytes(extent(head));
    random.fill(x.span(), 1.5F);
    random.fill_bytes(bytes.span());
    const float* no_floats = nullptr;
    check_tables<KeysRun>(no_floats, bytes.data(), head);
    check_tables<ValuesRun>(no_floats, bytes.data(), head);
    check_tables<ValuesRun>(x.data(), nullptr, head);
    plant_special_rows(x.span(), head.tokens, head.head_dim, head.ld);
    check_tables<KeysRun>(x.data(), nullptr, head);
    check_tables<ValuesRun>(x.data(), nullptr, head);
  });
}

TEST_CASE("static keys and values are packed like weights") {
  Random random(kSeed + 1);
  for_heads([&](Head head) {
    GuardedBuffer<std::uint8_t> x(extent(head));
    random.fill_bytes(x.span());
    std::vector<std::int8_t> keys;    // [tokens][head_dim]
    std::vector<std::int8_t> values;  // [head_dim][tokens]
    for (int t = 0; t < head.tokens; ++t) {
      for (int i = 0; i < head.head_dim; ++i) {
        keys.push_back(static_cast<std::int8_t>(x[t * head.ld + i] - 128));
      }
    }
    for (int i = 0; i < head.head_dim; ++i) {
      for (int t = 0; t < head.tokens; ++t) {
        values.push_back(keys[static_cast<std::size_t>(t * head.head_dim + i)]);
      }
    }
    std::vector<std::int32_t> sums;
    KeysRun k(reference_table(), nullptr, x.data(), head);
    const std::vector<std::int8_t> expected_keys =
        packed_by_weights(keys, head.tokens, head.head_dim, sums);
    REQUIRE(std::equal(expected_keys.begin(), expected_keys.end(), k.packed.data()));
    for (std::size_t t = 0; t < sums.size(); ++t) {
      REQUIRE(k.offset[t] == -128 * sums[t]);
      REQUIRE(k.scale[t] == (t < static_cast<std::size_t>(head.tokens) ? 0.03F * 0.125F : 0.0F));
    }
    ValuesRun v(reference_table(), nullptr, x.data(), head);
    const std::vector<std::int8_t> expected_values =
        packed_by_weights(values, head.head_dim, head.tokens, sums);
    REQUIRE(std::equal(expected_values.begin(), expected_values.end(), v.packed.data()));
    REQUIRE(v.scale[0] == 0.02F);
  });
}

TEST_CASE("dynamic keys are the rows quantize_rows makes") {
  Random random(kSeed + 2);
  constexpr Head kHead{37, 64, 64};
  std::vector<float> x(extent(kHead));
  random.fill(x, 1.0F);
  std::vector<std::uint8_t> q(x.size());
  std::vector<float> scale(37);
  reference_table().quantize_rows({.x = x.data(),
                                   .ldx = 64,
                                   .rows = 37,
                                   .cols = 64,
                                   .q = q.data(),
                                   .ldq = 64,
                                   .scheme = RowScheme::kSymmetric,
                                   .scale = scale.data()});
  KeysRun dynamic(reference_table(), x.data(), nullptr, kHead);
  KeysRun fixed(reference_table(), nullptr, q.data(), kHead);
  CHECK(dynamic.packed.same_bytes(fixed.packed));
  CHECK(dynamic.offset.same_bytes(fixed.offset));
  for (std::size_t t = 0; t < scale.size(); ++t) {
    CHECK(dynamic.scale[t] == scale[t] * 0.125F);
  }
}

TEST_CASE("softmax_u8: bits of the reference, bytes and sum of the definition") {
  Random random(kSeed + 3);
  for (int cols = 1; cols <= 140; cols += cols < 66 ? 1 : 37) {
    for (const int rows : {1, 3, 4, 5, 13}) {
      CAPTURE(cols);
      CAPTURE(rows);
      const std::ptrdiff_t ldx = cols + 3;
      const std::ptrdiff_t ldp = round_up(cols, kDepthGroup) + 1;
      GuardedBuffer<float> x(static_cast<std::size_t>((rows - 1) * ldx + cols));
      random.fill(x.span(), 4.0F);
      plant_special_rows(x.span(), rows, cols, ldx);
      const auto size = static_cast<std::size_t>((rows - 1) * ldp + round_up(cols, kDepthGroup));
      GuardedBuffer<std::uint8_t> expected(size);
      std::vector<float> expected_inv(static_cast<std::size_t>(rows));
      const auto args = [&](std::uint8_t* p, float* inv) {
        return SoftmaxU8Args{.x = x.data(),
                             .ldx = ldx,
                             .rows = rows,
                             .cols = cols,
                             .p = p,
                             .ldp = ldp,
                             .inv_sum = inv};
      };
      reference_table().softmax_u8(args(expected.data(), expected_inv.data()));
      for (const KernelTable* table : tables_beside_reference()) {
        GuardedBuffer<std::uint8_t> p(size);
        std::vector<float> inv(static_cast<std::size_t>(rows));
        table->softmax_u8(args(p.data(), inv.data()));
        CAPTURE(table->name);
        REQUIRE(p.same_bytes(expected));
        REQUIRE(p.front_intact());
        REQUIRE(same_floats(inv, expected_inv));
      }
      const double largest = *std::max_element(x.data(), x.data() + cols);
      std::int32_t sum = 0;
      for (int i = 0; i < cols; ++i) {
        REQUIRE(std::fabs(expected[i] - 255.0 * std::exp(x[i] - largest)) <= 0.5 + 3e-4);
        sum += expected[i];
      }
      REQUIRE(expected_inv[0] == 1.0F / static_cast<float>(sum));
      for (int i = cols; i < round_up(cols, kDepthGroup); ++i) {
        REQUIRE(expected[i] == 0);
      }
    }
  }
}

namespace {

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

std::vector<const KernelTable*> all_tables() {
  std::vector<const KernelTable*> tables = tables_beside_reference();
  tables.push_back(&reference_table());
  return tables;
}

}  // namespace

TEST_CASE("attention of a dynamic head: the naive integers, on every table") {
  Random random(kSeed + 4);
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
  Random random(kSeed + 5);
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

TEST_CASE("attention of integers is close to attention of floats") {
  Random random(kSeed + 6);
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
