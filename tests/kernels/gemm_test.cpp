// gemm of every instruction set against a plain triple loop and a plain epilogue written here: the
// same integers, the same float bits, nothing read or written beyond what the contract of
// kernel_table.h allows. QE_TEST_SHAPES sets the number of random shapes.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "kernels/reference/math.h"
#include "tests/kernels/shape_random.h"

namespace qe::test {
namespace {

using namespace kernels;  // NOLINT(google-build-using-namespace)

constexpr std::uint64_t kSeed = 20240731;
constexpr std::size_t kCapacity = 1 << 20;

// The value and the output format of one epilogue, chosen at random.
struct Epilogue {
  bool offset, row_scale, row_floor, bias, residual, u8;
  Activation activation;
};

struct Shape {
  int m, n, k, first_panel, last_panel;
  std::ptrdiff_t ldw = 0, lda = 0, ld_out = 0, ld_residual = 0;
};

std::string describe(const Shape& s, const Epilogue& e, const KernelTable& table) {
  return std::string(table.name) + " m " + std::to_string(s.m) + " n " + std::to_string(s.n) +
         " k " + std::to_string(s.k) + " panels " + std::to_string(s.first_panel) + "-" +
         std::to_string(s.last_panel) + " offset " + std::to_string(e.offset) + " row_scale " +
         std::to_string(e.row_scale) + " row_floor " + std::to_string(e.row_floor) + " bias " +
         std::to_string(e.bias) + " residual " + std::to_string(e.residual) + " u8 " +
         std::to_string(e.u8) + " activation " + std::to_string(static_cast<int>(e.activation));
}

float expected_activation(Activation activation, float y) {
  switch (activation) {
    case Activation::kNone:
      return y;
    case Activation::kRelu:
      return y > 0.0F ? y : 0.0F;
    case Activation::kRelu6:
      return y > 0.0F ? std::min(y, 6.0F) : 0.0F;
    case Activation::kGeluErf:
      return reference::gelu_erf(y);
    case Activation::kGeluTanh:
      return reference::gelu_tanh(y);
    case Activation::kTanh:
      return reference::tanh(y);
    case Activation::kSilu:
      return reference::silu(y);
    case Activation::kSigmoid:
      return reference::sigmoid(y);
  }
  return y;
}

using Sizes = std::array<int, 3>;  // m, n, k

// All operands of one product, each against a guard page in front of it or behind.
class Problem {
 public:
  void make(const Shape& shape, const Epilogue& epilogue, ShapeRandom& random) {
    shape_ = shape;
    epilogue_ = epilogue;
    const auto [m, n, k, first, last, ldw, lda, ld_out, ld_residual] = shape;
    const int columns = round_up(n, kColumnGroup);
    w_ = fill<std::int8_t>(w_arena_, (n - 1) * ldw + k, random);
    a_ = fill<std::uint8_t>(a_arena_, (m - 1) * lda + round_up(k, kDepthGroup), random);
    offset_ = offset_arena_.place<std::int32_t>(columns, random.side());
    for (std::int32_t& offset : offset_) offset = random.integer(-100'000, 100'000);
    scale_ = reals(scale_arena_, columns, random, 0.01F);
    bias_ = reals(bias_arena_, columns, random, 200.0F);
    row_scale_ = reals(row_scale_arena_, m, random, 2.0F);
    row_floor_ = reals(row_floor_arena_, m, random, 2.0F);
    weight_sum_ = reals(weight_sum_arena_, columns, random, 50.0F);
    residual_ = reals(residual_arena_, (m - 1) * ld_residual + n, random, 10.0F);
    out_inv_scale_ = real(random, 50.0F);
    out_zero_point_ = static_cast<float>(random.integer(0, 255));
    compute_sums();
    pack();
  }

  void check(const KernelTable& table, ShapeRandom& random) {
    const std::size_t count = (shape_.m - 1) * shape_.ld_out + shape_.n;
    f32_ = f32_arena_.place<float>(count, random.side());
    u8_ = u8_arena_.place<std::uint8_t>(count, random.side());
    table.gemm(args());
    bool right = f32_arena_.margin_intact() && u8_arena_.margin_intact();
    for (std::size_t i = 0; i < count; ++i) {
      const int row = static_cast<int>(i / shape_.ld_out);
      const int column = static_cast<int>(i % shape_.ld_out);
      const int panel = column / kPanelWidth;
      const bool inside =
          column < shape_.n && panel >= shape_.first_panel && panel < shape_.last_panel;
      if (inside && epilogue_.u8) {
        right &= u8_[i] == expected_u8(expected(row, column));
      } else {
        right &= GuardedArena::is_pattern(&u8_[i], sizeof(u8_[i]));
      }
      if (inside && !epilogue_.u8) {
        const float y = expected(row, column);
        right &= same_floats({&f32_[i], 1}, {&y, 1});
      } else {
        right &= GuardedArena::is_pattern(&f32_[i], sizeof(f32_[i]));
      }
    }
    CHECK_MESSAGE(right, describe(shape_, epilogue_, table));
  }

 private:
  template <class T>
  std::span<T> fill(GuardedArena& arena, std::size_t count, ShapeRandom& random) {
    const std::span<T> data = arena.place<T>(count, random.side());
    random.fill(data);
    if (random.chance(4)) {  // the extremes of the range alone
      for (T& value : data) {
        value = value > 64 ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min();
      }
    }
    return data;
  }
  std::span<float> reals(GuardedArena& arena, std::size_t count, ShapeRandom& random, float tame) {
    const std::span<float> data = arena.place<float>(count, random.side());
    for (float& value : data) value = real(random, tame);
    return data;
  }

  void pack() {
    packed_ = packed_arena_.place<std::int8_t>(packed_bytes(shape_.n, shape_.k), Side::kBack);
    kernel_table(Isa::kReference)
        .pack_weights({.w = w_.data(),
                       .ldw = shape_.ldw,
                       .n = shape_.n,
                       .k = shape_.k,
                       .first_panel = 0,
                       .last_panel = panel_count(shape_.n),
                       .packed = packed_.data(),
                       .column_sum = nullptr});
  }

  void compute_sums() {
    sums_.assign(static_cast<std::size_t>(shape_.m) * shape_.n, 0);
    for (int row = 0; row < shape_.m; ++row) {
      for (int column = 0; column < shape_.n; ++column) {
        std::int64_t sum = epilogue_.offset ? offset_[column] : 0;
        const std::uint8_t* a = a_.data() + row * shape_.lda;
        const std::int8_t* w = w_.data() + column * shape_.ldw;
        for (int k = 0; k < shape_.k; ++k) {
          sum += a[k] * w[k];
        }
        sums_[static_cast<std::size_t>(row) * shape_.n + column] = static_cast<std::int32_t>(sum);
      }
    }
  }

  // The value before conversion to the output type.
  float expected(int row, int column) const {
    const auto acc = static_cast<float>(sums_[static_cast<std::size_t>(row) * shape_.n + column]);
    const float scale = epilogue_.row_scale ? row_scale_[row] * scale_[column] : scale_[column];
    float y = 0;
    if (epilogue_.row_floor) {
      const float floor = epilogue_.bias
                              ? std::fma(row_floor_[row], weight_sum_[column], bias_[column])
                              : row_floor_[row] * weight_sum_[column];
      y = std::fma(acc, scale, floor);
    } else {
      y = epilogue_.bias ? std::fma(acc, scale, bias_[column]) : acc * scale;
    }
    y = expected_activation(epilogue_.activation, y);
    if (epilogue_.u8) {
      return epilogue_.activation == Activation::kNone
                 ? y
                 : std::fma(y, out_inv_scale_, out_zero_point_);
    }
    return epilogue_.residual ? y + residual_[row * shape_.ld_residual + column] : y;
  }

  GemmArgs args() const {
    GemmArgs args{};
    args.a = a_.data();
    args.lda = shape_.lda;
    args.b = packed_.data();
    args.m = shape_.m;
    args.n = shape_.n;
    args.k = shape_.k;
    args.first_panel = shape_.first_panel;
    args.last_panel = shape_.last_panel;
    args.next_b = packed_.data();
    args.next_bytes = std::ssize(packed_);
    args.column_offset = epilogue_.offset ? offset_.data() : nullptr;
    args.column_scale = scale_.data();
    args.row_scale = epilogue_.row_scale ? row_scale_.data() : nullptr;
    args.row_floor = epilogue_.row_floor ? row_floor_.data() : nullptr;
    args.column_weight_sum = epilogue_.row_floor ? weight_sum_.data() : nullptr;
    args.bias = epilogue_.bias ? bias_.data() : nullptr;
    args.activation = epilogue_.activation;
    if (epilogue_.u8) {
      args.out_u8 = u8_.data();
      args.ld_out_u8 = shape_.ld_out;
      args.out_inv_scale = out_inv_scale_;
      args.out_zero_point = out_zero_point_;
    } else {
      args.out_f32 = f32_.data();
      args.ld_out_f32 = shape_.ld_out;
      args.residual = epilogue_.residual ? residual_.data() : nullptr;
      args.ld_residual = shape_.ld_residual;
    }
    return args;
  }

  GuardedArena w_arena_{kCapacity}, packed_arena_{kCapacity}, a_arena_{kCapacity},
      offset_arena_{kCapacity}, scale_arena_{kCapacity}, bias_arena_{kCapacity},
      row_scale_arena_{kCapacity}, row_floor_arena_{kCapacity}, weight_sum_arena_{kCapacity},
      residual_arena_{kCapacity}, f32_arena_{kCapacity}, u8_arena_{kCapacity};
  Shape shape_{};
  Epilogue epilogue_{};
  std::span<std::int8_t> w_, packed_;
  std::span<std::uint8_t> a_, u8_;
  std::span<std::int32_t> offset_;
  std::span<float> scale_, bias_, row_scale_, row_floor_, weight_sum_, residual_, f32_;
  float out_inv_scale_ = 0;
  float out_zero_point_ = 0;
  std::vector<std::int32_t> sums_;
};

Epilogue random_epilogue(ShapeRandom& random) {
  Epilogue e{};
  e.offset = random.chance(2);
  e.row_scale = random.chance(2);
  e.row_floor = random.chance(2);
  e.bias = random.chance(2);
  e.u8 = random.chance(2);
  e.residual = !e.u8 && random.chance(2);
  e.activation = static_cast<Activation>(random.integer(0, 4));
  return e;
}

// Strides are sometimes tight, sometimes not.
Shape with_strides(Shape s, ShapeRandom& random) {
  s.ldw = s.k + (random.chance(2) ? 0 : random.integer(0, 9));
  s.lda = round_up(s.k, kDepthGroup) + (random.chance(2) ? 0 : random.integer(0, 9));
  s.ld_out = s.n + (random.chance(2) ? 0 : random.integer(0, 9));
  s.ld_residual = s.n + (random.chance(2) ? 0 : random.integer(0, 9));
  return s;
}

void check_everywhere(Problem& problem, ShapeRandom& random) {
  for (const KernelTable* table : all_tables()) {
    problem.check(*table, random);
  }
}

}  // namespace

TEST_CASE("random shapes, strides, panel ranges and epilogues on every instruction set") {
  const int count = shape_count(30'000);
  MESSAGE("seed " << kSeed << ", " << count << " shapes");
  ShapeRandom random(kSeed);
  Problem problem;
  for (int i = 0; i < count; ++i) {
    Shape shape{};
    shape.m = random.size(33);
    shape.n = random.size(random.integer(0, 3) == 0 ? 200 : 65);
    shape.k = random.size(65);
    shape.first_panel = random.chance(2) ? 0 : random.integer(0, panel_count(shape.n) - 1);
    shape.last_panel = random.chance(2) ? panel_count(shape.n)
                                        : random.integer(shape.first_panel, panel_count(shape.n));
    problem.make(with_strides(shape, random), random_epilogue(random), random);
    check_everywhere(problem, random);
  }
}

TEST_CASE("depths and rows of several tiles") {
  ShapeRandom random(kSeed + 2);
  Problem problem;
  for (int i = 0; i < shape_count(400); ++i) {
    Shape shape{};
    shape.m = random.integer(5, 70);
    shape.n = random.integer(1, 140);
    shape.k = random.chance(2) ? random.integer(60, 300) : 64 * random.integer(1, 36);
    shape.last_panel = panel_count(shape.n);
    problem.make(with_strides(shape, random), random_epilogue(random), random);
    check_everywhere(problem, random);
  }
}

TEST_CASE("every size from 1 to 65 in each dimension") {
  ShapeRandom random(kSeed + 1);
  Problem problem;
  for (int size = 1; size <= 65; ++size) {
    for (const auto& [m, n, k] : {Sizes{size, 33, 21}, Sizes{7, size, 21}, Sizes{7, 33, size}}) {
      const Shape shape{.m = m, .n = n, .k = k, .first_panel = 0, .last_panel = panel_count(n)};
      for (const bool u8 : {false, true}) {
        Epilogue epilogue = random_epilogue(random);
        epilogue.u8 = u8;
        epilogue.residual = !u8 && epilogue.residual;
        problem.make(with_strides(shape, random), epilogue, random);
        check_everywhere(problem, random);
      }
    }
  }
}

}  // namespace qe::test
