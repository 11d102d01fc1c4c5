// pack_weights and gemm of every instruction set against a plain triple loop and a plain epilogue
// written here: the same integers, the same float bits, nothing read or written beyond what the
// contract of kernel_table.h allows. QE_TEST_SHAPES sets the number of random shapes.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/reference/math.h"
#include "tests/support/guarded_buffer.h"

namespace {

using namespace qe::kernels;
using qe::test::GuardedBuffer;

constexpr std::uint32_t kSeed = 20240731;
constexpr std::size_t kCapacity = 1 << 20;

int shape_count() {
  const char* text = std::getenv("QE_TEST_SHAPES");
  return text ? std::atoi(text) : 30000;
}

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

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  int integer(int low, int high) { return std::uniform_int_distribution(low, high)(engine_); }
  // Small sizes more often, the edges of the 16, 64 and 6-row tiles all reached.
  int size(int most) { return std::min(integer(1, most), integer(1, most)); }
  bool flip() { return (engine_() & 1U) != 0; }
  // Mostly tame values, now and then one that overflows, ties or is not a number.
  float real(float tame) {
    static constexpr float kWild[] = {0.5F,
                                      0.0F,
                                      -0.0F,
                                      1e30F,
                                      -1e30F,
                                      std::numeric_limits<float>::infinity(),
                                      -std::numeric_limits<float>::infinity(),
                                      std::numeric_limits<float>::quiet_NaN()};
    if (integer(0, 49) == 0) {
      return kWild[integer(0, 7)];
    }
    return std::uniform_real_distribution<float>(-tame, tame)(engine_);
  }
  std::uint8_t byte() { return static_cast<std::uint8_t>(engine_()); }

 private:
  std::mt19937 engine_;
};

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

std::uint8_t expected_byte(float t) {
  if (std::isnan(t)) {
    return 0;
  }
  return static_cast<std::uint8_t>(std::lrint(std::clamp(t, 0.0F, 255.0F)));
}

bool same(float a, float b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0 || (std::isnan(a) && std::isnan(b));
}

using Sizes = std::array<int, 3>;  // m, n, k

// All operands of one product, each in memory that ends at a forbidden page half of the time and at
// an odd place otherwise.
class Problem {
 public:
  void make(const Shape& shape, const Epilogue& epilogue, Random& random) {
    shape_ = shape;
    epilogue_ = epilogue;
    const auto [m, n, k, first, last, ldw, lda, ld_out, ld_residual] = shape;
    const int columns = round_up(n, kColumnGroup);
    w_ = fill<std::int8_t>(w_buffer_, (n - 1) * ldw + k, random);
    packed_ = packed_buffer_.take<std::int8_t>(packed_bytes(n, k));
    column_sum_ = column_sum_buffer_.take<std::int32_t>(columns);
    a_ = fill<std::uint8_t>(a_buffer_, (m - 1) * lda + round_up(k, kDepthGroup), random);
    offset_ = fill_with<std::int32_t>(offset_buffer_, columns, random,
                                      [&] { return random.integer(-100000, 100000); });
    scale_ = fill_with<float>(scale_buffer_, columns, random, [&] { return random.real(0.01F); });
    bias_ = fill_with<float>(bias_buffer_, columns, random, [&] { return random.real(200.0F); });
    row_scale_ = fill_with<float>(row_scale_buffer_, m, random, [&] { return random.real(2.0F); });
    row_floor_ = fill_with<float>(row_floor_buffer_, m, random, [&] { return random.real(2.0F); });
    weight_sum_ =
        fill_with<float>(weight_sum_buffer_, columns, random, [&] { return random.real(50.0F); });
    residual_ = fill_with<float>(residual_buffer_, (m - 1) * ld_residual + n, random,
                                 [&] { return random.real(10.0F); });
    out_inv_scale_ = random.real(50.0F);
    out_zero_point_ = static_cast<float>(random.integer(0, 255));
    compute_sums();
  }

  void check_pack(const KernelTable& table, Random& random) {
    const int columns = round_up(shape_.n, kColumnGroup);
    const bool with_sums = random.flip();
    packed_ = packed_buffer_.take<std::int8_t>(packed_bytes(shape_.n, shape_.k));
    column_sum_ = column_sum_buffer_.take<std::int32_t>(columns);
    table.pack_weights({.w = w_,
                        .ldw = shape_.ldw,
                        .n = shape_.n,
                        .k = shape_.k,
                        .first_panel = shape_.first_panel,
                        .last_panel = shape_.last_panel,
                        .packed = packed_,
                        .column_sum = with_sums ? column_sum_ : nullptr});
    const int depth = round_up(shape_.k, kDepthGroup);
    bool right = packed_buffer_.margins_untouched() && column_sum_buffer_.margins_untouched();
    for (int column = 0; column < columns; ++column) {
      const int panel = column / kPanelWidth;
      const int width = std::min(kPanelWidth, columns - panel * kPanelWidth);
      const bool inside = panel >= shape_.first_panel && panel < shape_.last_panel;
      const std::int8_t* b = packed_ + panel * kPanelWidth * depth;
      std::int32_t sum = 0;
      for (int k = 0; k < depth; ++k) {
        const std::int8_t stored =
            b[(k / kDepthGroup * width + column % kPanelWidth) * kDepthGroup + k % kDepthGroup];
        const std::int8_t weight =
            column < shape_.n && k < shape_.k ? w_[column * shape_.ldw + k] : std::int8_t{0};
        sum += weight;
        right &= inside ? stored == weight : GuardedBuffer::is_pattern(&stored, 1);
      }
      right &= inside && with_sums ? column_sum_[column] == sum
                                   : GuardedBuffer::is_pattern(&column_sum_[column], 4);
    }
    CHECK_MESSAGE(right, "pack_weights " << describe(shape_, epilogue_, table));
  }

  // Packs the whole matrix, for the products that follow.
  void pack_all() {
    packed_ = packed_buffer_.take<std::int8_t>(packed_bytes(shape_.n, shape_.k));
    kernel_table(Isa::kReference)
        .pack_weights({.w = w_,
                       .ldw = shape_.ldw,
                       .n = shape_.n,
                       .k = shape_.k,
                       .first_panel = 0,
                       .last_panel = panel_count(shape_.n),
                       .packed = packed_,
                       .column_sum = nullptr});
  }

  void check_gemm(const KernelTable& table, Random& random) {
    const std::size_t count = (shape_.m - 1) * shape_.ld_out + shape_.n;
    const std::size_t slack = random.flip() ? 0 : random.integer(0, 63);
    f32_ = f32_buffer_.take<float>(count, slack / 4 * 4);
    u8_ = u8_buffer_.take<std::uint8_t>(count, slack);
    table.gemm(args());
    bool right = f32_buffer_.margins_untouched() && u8_buffer_.margins_untouched();
    for (std::size_t i = 0; i < count; ++i) {
      const int row = static_cast<int>(i / shape_.ld_out);
      const int column = static_cast<int>(i % shape_.ld_out);
      const int panel = column / kPanelWidth;
      const bool inside =
          column < shape_.n && panel >= shape_.first_panel && panel < shape_.last_panel;
      if (inside && epilogue_.u8) {
        right &= u8_[i] == expected_byte(expected(row, column));
      } else {
        right &= GuardedBuffer::is_pattern(&u8_[i], sizeof(u8_[i]));
      }
      if (inside && !epilogue_.u8) {
        right &= same(f32_[i], expected(row, column));
      } else {
        right &= GuardedBuffer::is_pattern(&f32_[i], sizeof(f32_[i]));
      }
    }
    CHECK_MESSAGE(right, "gemm " << describe(shape_, epilogue_, table));
  }

 private:
  template <class T, class Value>
  T* fill_with(GuardedBuffer& buffer, std::size_t count, Random& random, Value value) {
    const std::size_t slack = random.flip() ? 0 : random.integer(0, 16) * sizeof(T);
    T* data = buffer.take<T>(count, slack);
    std::generate_n(data, count, value);
    return data;
  }
  template <class T>
  T* fill(GuardedBuffer& buffer, std::size_t count, Random& random) {
    const int kind = random.integer(0, 3);  // now and then the extremes of the range
    return fill_with<T>(buffer, count, random, [&] {
      return kind == 0
                 ? (random.flip() ? std::numeric_limits<T>::max() : std::numeric_limits<T>::min())
                 : static_cast<T>(random.byte());
    });
  }

  void compute_sums() {
    sums_.assign(static_cast<std::size_t>(shape_.m) * shape_.n, 0);
    for (int row = 0; row < shape_.m; ++row) {
      for (int column = 0; column < shape_.n; ++column) {
        std::int64_t sum = epilogue_.offset ? offset_[column] : 0;
        const std::uint8_t* a = a_ + row * shape_.lda;
        const std::int8_t* w = w_ + column * shape_.ldw;
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
    args.a = a_;
    args.lda = shape_.lda;
    args.b = packed_;
    args.m = shape_.m;
    args.n = shape_.n;
    args.k = shape_.k;
    args.first_panel = shape_.first_panel;
    args.last_panel = shape_.last_panel;
    args.column_offset = epilogue_.offset ? offset_ : nullptr;
    args.column_scale = scale_;
    args.row_scale = epilogue_.row_scale ? row_scale_ : nullptr;
    args.row_floor = epilogue_.row_floor ? row_floor_ : nullptr;
    args.column_weight_sum = epilogue_.row_floor ? weight_sum_ : nullptr;
    args.bias = epilogue_.bias ? bias_ : nullptr;
    args.activation = epilogue_.activation;
    if (epilogue_.u8) {
      args.out_u8 = u8_;
      args.ld_out_u8 = shape_.ld_out;
      args.out_inv_scale = out_inv_scale_;
      args.out_zero_point = out_zero_point_;
    } else {
      args.out_f32 = f32_;
      args.ld_out_f32 = shape_.ld_out;
      args.residual = epilogue_.residual ? residual_ : nullptr;
      args.ld_residual = shape_.ld_residual;
    }
    return args;
  }

  GuardedBuffer w_buffer_{kCapacity}, packed_buffer_{kCapacity}, column_sum_buffer_{kCapacity},
      a_buffer_{kCapacity}, offset_buffer_{kCapacity}, scale_buffer_{kCapacity},
      bias_buffer_{kCapacity}, row_scale_buffer_{kCapacity}, row_floor_buffer_{kCapacity},
      weight_sum_buffer_{kCapacity}, residual_buffer_{kCapacity}, f32_buffer_{kCapacity},
      u8_buffer_{kCapacity};
  Shape shape_{};
  Epilogue epilogue_{};
  std::int8_t* w_ = nullptr;
  std::int8_t* packed_ = nullptr;
  std::int32_t* column_sum_ = nullptr;
  std::uint8_t* a_ = nullptr;
  std::int32_t* offset_ = nullptr;
  float* scale_ = nullptr;
  float* bias_ = nullptr;
  float* row_scale_ = nullptr;
  float* row_floor_ = nullptr;
  float* weight_sum_ = nullptr;
  float* residual_ = nullptr;
  float* f32_ = nullptr;
  std::uint8_t* u8_ = nullptr;
  float out_inv_scale_ = 0;
  float out_zero_point_ = 0;
  std::vector<std::int32_t> sums_;
};

Epilogue random_epilogue(Random& random) {
  Epilogue e{};
  e.offset = random.flip();
  e.row_scale = random.flip();
  e.row_floor = random.flip();
  e.bias = random.flip();
  e.u8 = random.flip();
  e.residual = !e.u8 && random.flip();
  e.activation = static_cast<Activation>(random.integer(0, 4));
  return e;
}

// Strides are sometimes tight, sometimes not.
Shape with_strides(Shape s, Random& random) {
  s.ldw = s.k + (random.flip() ? 0 : random.integer(0, 9));
  s.lda = round_up(s.k, kDepthGroup) + (random.flip() ? 0 : random.integer(0, 9));
  s.ld_out = s.n + (random.flip() ? 0 : random.integer(0, 9));
  s.ld_residual = s.n + (random.flip() ? 0 : random.integer(0, 9));
  return s;
}

void check_everywhere(Problem& problem, Random& random) {
  for (const Isa isa : available_isas()) {
    problem.check_pack(kernel_table(isa), random);
  }
  problem.pack_all();
  for (const Isa isa : available_isas()) {
    problem.check_gemm(kernel_table(isa), random);
  }
}

}  // namespace

TEST_CASE("random shapes, strides, panel ranges and epilogues on every instruction set") {
  MESSAGE("seed " << kSeed << ", " << shape_count() << " shapes");
  Random random(kSeed);
  Problem problem;
  for (int i = 0; i < shape_count(); ++i) {
    Shape shape{};
    shape.m = random.size(33);
    shape.n = random.size(random.integer(0, 3) == 0 ? 200 : 65);
    shape.k = random.size(65);
    shape.first_panel = random.flip() ? 0 : random.integer(0, panel_count(shape.n) - 1);
    shape.last_panel = random.flip() ? panel_count(shape.n)
                                     : random.integer(shape.first_panel, panel_count(shape.n));
    problem.make(with_strides(shape, random), random_epilogue(random), random);
    check_everywhere(problem, random);
  }
}

TEST_CASE("every size from 1 to 65 in each dimension") {
  Random random(kSeed + 1);
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

TEST_CASE("sums are exact at the depth where they just fit 32 bits") {
  constexpr int kDepth = 65793;
  constexpr int kColumns = 16;
  const std::vector<std::uint8_t> a(round_up(kDepth, kDepthGroup), 255);
  const std::vector<std::int8_t> w(static_cast<std::size_t>(kDepth) * kColumns, -128);
  GuardedBuffer buffer(packed_bytes(kColumns, kDepth));
  auto* packed = buffer.take<std::int8_t>(packed_bytes(kColumns, kDepth));
  const std::vector<float> scale(kColumns, 1.0F);
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernel_table(isa);
    CAPTURE(table.name);
    std::vector<std::int32_t> sums(kColumns);
    table.pack_weights({w.data(), kDepth, kColumns, kDepth, 0, 1, packed, sums.data()});
    CHECK(sums == std::vector<std::int32_t>(kColumns, -128 * kDepth));
    std::vector<float> out(kColumns);
    GemmArgs args{};
    args.a = a.data();
    args.lda = kDepth;
    args.b = packed;
    args.m = 1;
    args.n = kColumns;
    args.k = kDepth;
    args.last_panel = 1;
    args.column_scale = scale.data();
    args.out_f32 = out.data();
    args.ld_out_f32 = kColumns;
    table.gemm(args);
    CHECK(out == std::vector<float>(kColumns, static_cast<float>(-128LL * 255 * kDepth)));
  }
}

TEST_CASE("rows too many for the cache give the same bits as the reference") {
  constexpr int kRows = 401;
  constexpr int kColumns = 80;
  constexpr int kDepth = 4099;
  Random random(kSeed + 2);
  std::vector<std::uint8_t> a(static_cast<std::size_t>(kRows) * round_up(kDepth, kDepthGroup));
  std::generate(a.begin(), a.end(), [&] { return random.byte(); });
  std::vector<std::int8_t> w(static_cast<std::size_t>(kColumns) * kDepth);
  std::generate(w.begin(), w.end(), [&] { return static_cast<std::int8_t>(random.byte()); });
  GuardedBuffer buffer(packed_bytes(kColumns, kDepth));
  auto* packed = buffer.take<std::int8_t>(packed_bytes(kColumns, kDepth));
  std::vector<float> scale(kColumns);
  std::generate(scale.begin(), scale.end(), [&] { return random.real(0.01F); });
  std::vector<float> first;
  for (const Isa isa : available_isas()) {
    const KernelTable& table = kernel_table(isa);
    CAPTURE(table.name);
    table.pack_weights(
        {w.data(), kDepth, kColumns, kDepth, 0, panel_count(kColumns), packed, nullptr});
    std::vector<float> out(static_cast<std::size_t>(kRows) * kColumns);
    GemmArgs args{};
    args.a = a.data();
    args.lda = round_up(kDepth, kDepthGroup);
    args.b = packed;
    args.m = kRows;
    args.n = kColumns;
    args.k = kDepth;
    args.last_panel = panel_count(kColumns);
    args.column_scale = scale.data();
    args.out_f32 = out.data();
    args.ld_out_f32 = kColumns;
    table.gemm(args);
    if (first.empty()) {
      first = out;
    }
    CHECK(std::equal(out.begin(), out.end(), first.begin(), same));
  }
}

TEST_CASE("no rows and no panels write nothing") {
  GuardedBuffer buffer(GuardedBuffer::kPage);
  for (const Isa isa : available_isas()) {
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
    args.out_u8 = buffer.take<std::uint8_t>(64);
    args.ld_out_u8 = 64;
    args.m = 0;
    args.last_panel = 1;
    kernel_table(isa).gemm(args);
    args.m = 1;
    args.last_panel = 0;
    kernel_table(isa).gemm(args);
    CHECK(GuardedBuffer::is_pattern(args.out_u8, 64));
  }
}
