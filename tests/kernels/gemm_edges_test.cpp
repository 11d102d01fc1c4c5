// gemm of every instruction set at its edges: the depth where sums just fit 32 bits, more rows than
// a cache holds, and nothing to do.
#include <doctest/doctest.h>

#include <cstdint>
#include <span>
#include <vector>

#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/kernel_test.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 20240733;

}  // namespace

TEST_CASE("sums are exact at the depth where they just fit 32 bits") {
  constexpr int kDepth = 65793;
  constexpr int kColumns = 16;
  constexpr int kRows = 7;
  const std::vector<std::uint8_t> a(round_up(kDepth, kDepthGroup), 255);
  const std::vector<std::int8_t> w(static_cast<std::size_t>(kDepth) * kColumns, -128);
  GuardedBuffer<std::int8_t> packed(packed_bytes(kColumns, kDepth));
  const std::vector<float> scale(kColumns, 1.0F);
  for (const KernelTable* table : all_tables()) {
    CAPTURE(table->name);
    table->pack_weights({w.data(), kDepth, kColumns, kDepth, 0, 1, packed.data(), nullptr});
    std::vector<float> out(std::size_t{kRows} * kColumns);
    GemmArgs args{};
    args.a = a.data();
    args.lda = 0;  // all rows are the same
    args.b = packed.data();
    args.m = kRows;
    args.n = kColumns;
    args.k = kDepth;
    args.last_panel = 1;
    args.column_scale = scale.data();
    args.out_f32 = out.data();
    args.ld_out_f32 = kColumns;
    table->gemm(args);
    CHECK(out == std::vector<float>(out.size(), static_cast<float>(-128LL * 255 * kDepth)));
  }
}

TEST_CASE("rows too many for the cache give the same bits everywhere") {
  constexpr int kRows = 401;
  constexpr int kColumns = 80;
  constexpr int kDepth = 4099;
  Random random(kSeed);
  std::vector<std::uint8_t> a(static_cast<std::size_t>(kRows) * round_up(kDepth, kDepthGroup));
  random.fill_bytes(std::span(a));
  std::vector<std::int8_t> w(static_cast<std::size_t>(kColumns) * kDepth);
  random.fill_bytes(std::span(w));
  GuardedBuffer<std::int8_t> packed(packed_bytes(kColumns, kDepth));
  std::vector<float> scale(kColumns);
  random.fill(scale, 0.01F);
  std::vector<float> first;
  for (const KernelTable* table : all_tables()) {
    CAPTURE(table->name);
    table->pack_weights(
        {w.data(), kDepth, kColumns, kDepth, 0, panel_count(kColumns), packed.data(), nullptr});
    std::vector<float> out(static_cast<std::size_t>(kRows) * kColumns);
    GemmArgs args{};
    args.a = a.data();
    args.lda = round_up(kDepth, kDepthGroup);
    args.b = packed.data();
    args.m = kRows;
    args.n = kColumns;
    args.k = kDepth;
    args.last_panel = panel_count(kColumns);
    args.column_scale = scale.data();
    args.out_f32 = out.data();
    args.ld_out_f32 = kColumns;
    table->gemm(args);
    if (first.empty()) {
      first = out;
    }
    CHECK(same_floats(out, first));
  }
}

TEST_CASE("no rows and no panels write nothing") {
  GuardedBuffer<std::uint8_t> out(64);
  for (const KernelTable* table : all_tables()) {
    alignas(64) const std::int8_t b[64 * 4] = {};
    const std::uint8_t a[4] = {};
    const float scale[64] = {};
    GemmArgs args{};
    args.a = a;
    args.lda = 4;
    args.b = b;
    args.n = 64;
    args.k = 4;
    args.column_scale = scale;
    args.out_u8 = out.data();
    args.ld_out_u8 = 64;
    args.m = 0;
    args.last_panel = 1;
    table->gemm(args);
    args.m = 1;
    args.last_panel = 0;
    table->gemm(args);
    CHECK(GuardedArena::is_pattern(out.data(), out.size()));
  }
}

}  // namespace qe::test
