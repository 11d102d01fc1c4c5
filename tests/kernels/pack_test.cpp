// pack_weights of every instruction set against the layout of kernel_table.h, written out here:
// each weight in its place, zeros where the layout has room without weights, sums of the columns,
// nothing written outside the panels asked for. QE_TEST_SHAPES sets the number of random shapes.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "tests/kernels/guarded_buffer.h"
#include "tests/kernels/shape_random.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 20240731;
constexpr std::size_t kCapacity = 1 << 18;

struct Shape {
  int n, k, first_panel, last_panel;
  std::ptrdiff_t ldw;
};

std::string describe(const Shape& s) {
  return "n " + std::to_string(s.n) + " k " + std::to_string(s.k) + " panels " +
         std::to_string(s.first_panel) + "-" + std::to_string(s.last_panel) + " ldw " +
         std::to_string(s.ldw);
}

// One matrix of weights, between guard pages as all that is made of it.
class Problem {
 public:
  void make(const Shape& shape, ShapeRandom& random) {
    shape_ = shape;
    w_ = w_arena_.place<std::int8_t>((shape.n - 1) * shape.ldw + shape.k, random.side());
    random.fill(w_);
  }

  void check(const KernelTable& table, ShapeRandom& random) {
    const int columns = round_up(shape_.n, kColumnGroup);
    const bool with_sums = random.chance(2);
    const auto packed =
        packed_arena_.place<std::int8_t>(packed_bytes(shape_.n, shape_.k), random.side());
    const auto sums = sum_arena_.place<std::int32_t>(columns, random.side());
    table.pack_weights({.w = w_.data(),
                        .ldw = shape_.ldw,
                        .n = shape_.n,
                        .k = shape_.k,
                        .first_panel = shape_.first_panel,
                        .last_panel = shape_.last_panel,
                        .packed = packed.data(),
                        .column_sum = with_sums ? sums.data() : nullptr});
    bool right = packed_arena_.margin_intact() && sum_arena_.margin_intact();
    for (int column = 0; column < columns; ++column) {
      const int panel = column / kPanelWidth;
      const bool inside = panel >= shape_.first_panel && panel < shape_.last_panel;
      right &= column_is_right(packed, column, inside);
      right &= inside && with_sums ? sums[column] == sum(column)
                                   : GuardedArena::is_pattern(&sums[column], sizeof(sums[column]));
    }
    CHECK_MESSAGE(right, table.name << ": " << describe(shape_));
  }

 private:
  std::int8_t weight(int column, int k) const {
    const bool exists = column < shape_.n && k < shape_.k;
    return exists ? w_[column * shape_.ldw + k] : std::int8_t{0};
  }
  std::int32_t sum(int column) const {
    std::int32_t sum = 0;
    for (int k = 0; k < shape_.k; ++k) sum += weight(column, k);
    return sum;
  }
  // Whether a column holds its weights, or the pattern where it was not to be packed.
  bool column_is_right(std::span<const std::int8_t> packed, int column, bool inside) const {
    const int depth = round_up(shape_.k, kDepthGroup);
    const int first = column / kPanelWidth * kPanelWidth;
    const int width = std::min(kPanelWidth, round_up(shape_.n, kColumnGroup) - first);
    const std::int8_t* panel = packed.data() + static_cast<std::ptrdiff_t>(first) * depth;
    for (int k = 0; k < depth; ++k) {
      const std::int8_t& stored =
          panel[(k / kDepthGroup * width + column - first) * kDepthGroup + k % kDepthGroup];
      if (inside ? stored != weight(column, k) : !GuardedArena::is_pattern(&stored, 1)) {
        return false;
      }
    }
    return true;
  }

  Shape shape_{};
  GuardedArena w_arena_{kCapacity}, packed_arena_{kCapacity}, sum_arena_{4096};
  std::span<std::int8_t> w_;
};

void check_everywhere(const Shape& shape, Problem& problem, ShapeRandom& random) {
  problem.make(shape, random);
  for (const KernelTable* table : all_tables()) {
    problem.check(*table, random);
  }
}

}  // namespace

TEST_CASE("random shapes, strides and panel ranges on every instruction set") {
  const int count = shape_count(30'000);
  MESSAGE("seed " << kSeed << ", " << count << " shapes");
  ShapeRandom random(kSeed);
  Problem problem;
  for (int i = 0; i < count; ++i) {
    Shape shape{};
    shape.n = random.size(random.chance(4) ? 200 : 65);
    shape.k = random.size(random.chance(4) ? 300 : 65);
    shape.first_panel = random.chance(2) ? 0 : random.integer(0, panel_count(shape.n) - 1);
    shape.last_panel = random.chance(2) ? panel_count(shape.n)
                                        : random.integer(shape.first_panel, panel_count(shape.n));
    shape.ldw = shape.k + (random.chance(2) ? 0 : random.integer(0, 9));
    check_everywhere(shape, problem, random);
  }
}

TEST_CASE("every size from 1 to 65 in each dimension") {
  ShapeRandom random(kSeed + 1);
  Problem problem;
  for (int size = 1; size <= 65; ++size) {
    check_everywhere(
        {.n = size, .k = 21, .first_panel = 0, .last_panel = panel_count(size), .ldw = 21}, problem,
        random);
    check_everywhere({.n = 33, .k = size, .first_panel = 0, .last_panel = 1, .ldw = size + 3},
                     problem, random);
  }
}

TEST_CASE("sums of columns are exact at the depth where products just fit 32 bits") {
  constexpr int kDepth = 65793;
  constexpr int kColumns = 16;
  const std::vector<std::int8_t> w(static_cast<std::size_t>(kDepth) * kColumns, -128);
  GuardedBuffer<std::int8_t> packed(packed_bytes(kColumns, kDepth));
  for (const KernelTable* table : all_tables()) {
    CAPTURE(table->name);
    std::vector<std::int32_t> sums(kColumns);
    table->pack_weights({w.data(), kDepth, kColumns, kDepth, 0, 1, packed.data(), sums.data()});
    CHECK(sums == std::vector<std::int32_t>(kColumns, -128 * kDepth));
  }
}

}  // namespace qe::test
