// The parts of integer attention: packing of keys and values and the softmax have the bits of the
// reference on every instruction set (odd lengths, guard pages, special rows), and the reference
// those of the definitions.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "tests/kernels/attention_head.h"
#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_test.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 19530225;

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

}  // namespace qe::test
