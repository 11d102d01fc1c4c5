// Every GPU kernel against the CPU reference, bit for bit: random shapes, strides, types, epilogues
// and depth parts, memory filled with a pattern that must stay where nothing is to be written.
// QE_TEST_SHAPES sets the number of random products, QE_TEST_SEED their seed.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <qe/cuda/gemm.h>

#include "kernels/kernel_table.h"
#include "tests/cuda/gpu_support.h"
#include "tests/cuda/halves.h"

namespace {

using qe::Activation;
using qe::Element;
using qe::test::DeviceArray;
namespace kernels = qe::kernels;

constexpr std::uint8_t kPattern = 0xA5;

int setting(const char* name, int otherwise) {
  const char* text = std::getenv(name);
  return text ? std::atoi(text) : otherwise;
}

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  int integer(int low, int high) { return std::uniform_int_distribution(low, high)(engine_); }
  bool flip() { return (engine_() & 1U) != 0; }
  std::uint8_t byte() { return static_cast<std::uint8_t>(engine_()); }
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
    if (integer(0, 99) == 0) return kWild[integer(0, 7)];
    return std::uniform_real_distribution<float>(-tame, tame)(engine_);
  }
  std::vector<float> reals(int count, float tame) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = real(tame);
    return values;
  }
  std::vector<std::uint8_t> bytes(std::size_t count) {
    std::vector<std::uint8_t> values(count);
    const bool extreme = integer(0, 3) == 0;
    for (std::uint8_t& value : values) {
      value = extreme ? (flip() ? 0x80 : 0x7F) : byte();
    }
    return values;
  }

 private:
  std::mt19937 engine_;
};

struct Shape {
  int m, n, k;
  bool a_signed, offset, row_scale, row_floor, bias, residual, in_place, table;
  Element out;
  Activation activation;
  int lda, ldw, ld_out, ld_residual;
};

// Elements of a row, rounded up to whole 16 bytes and sometimes a bit more.
int stride(int count, Element type, Random& random) {
  const int unit = 16 / qe::element_bytes(type);
  return kernels::round_up(count, unit) + (random.flip() ? 0 : unit * random.integer(1, 3));
}

Shape random_shape(int m, int n, int k, Random& random) {
  Shape s{};
  s.m = m;
  s.n = n;
  s.k = k;
  s.a_signed = random.flip();
  s.offset = random.flip();
  s.row_scale = random.flip();
  s.row_floor = random.flip();
  s.bias = random.flip();
  s.out = static_cast<Element>(random.integer(0, 3));
  s.activation = static_cast<Activation>(random.flip() ? 0 : random.integer(1, 7));
  const bool bytes = qe::element_bytes(s.out) == 1;
  s.residual = random.flip() && (!bytes || s.activation == Activation::kNone);
  s.in_place = s.residual && random.flip();
  s.table = bytes && random.flip();
  s.lda = stride(k, Element::kU8, random);
  s.ldw = stride(k, Element::kS8, random);
  s.ld_out = stride(n, s.out, random);
  s.ld_residual = s.in_place ? s.ld_out : stride(n, s.out, random);
  return s;
}

std::string describe(const Shape& s, qe::cuda::GemmKernel kernel) {
  return std::string(qe::cuda::kernel_name(kernel.index)) + " splits " +
         std::to_string(kernel.splits) + " m " + std::to_string(s.m) + " n " + std::to_string(s.n) +
         " k " + std::to_string(s.k) + " signed " + std::to_string(s.a_signed) + " offset " +
         std::to_string(s.offset) + " row_scale " + std::to_string(s.row_scale) + " row_floor " +
         std::to_string(s.row_floor) + " bias " + std::to_string(s.bias) + " residual " +
         std::to_string(s.residual) + " table " + std::to_string(s.table) + " out " +
         std::to_string(static_cast<int>(s.out)) + " activation " +
         std::to_string(static_cast<int>(s.activation));
}

// One product on the host, with what the CPU kernels make of it.
class Problem {
 public:
  Problem(const Shape& shape, Random& random) : shape_(shape) {
    const int columns = kernels::round_up(shape.n, kernels::kColumnGroup);
    a_ = random.bytes(static_cast<std::size_t>(shape.m) * shape.lda);
    for (const std::uint8_t byte : random.bytes(static_cast<std::size_t>(shape.n) * shape.ldw)) {
      w_.push_back(static_cast<std::int8_t>(byte));
    }
    for (int i = 0; i < columns; ++i) offset_.push_back(random.integer(-100000, 100000));
    scale_ = random.reals(columns, 0.01F);
    bias_ = random.reals(columns, 200.0F);
    weight_sum_ = random.reals(columns, 50.0F);
    row_scale_ = random.reals(shape.m, 2.0F);
    row_floor_ = random.reals(shape.m, 2.0F);
    residual_ = random.bytes(static_cast<std::size_t>(shape.m) * shape.ld_residual *
                             qe::element_bytes(shape.out));
    table_ = random.bytes(256);
    residual_scale_ = random.real(2.0F);
    out_inv_scale_ = random.real(50.0F);
    out_zero_point_ = static_cast<float>(random.integer(-128, 255));
    compute();
  }

  void check(qe::cuda::Gemm& gemm, qe::cuda::GemmKernel kernel, qe::cuda::Stream stream) const {
    const Shape& s = shape_;
    const DeviceArray a(a_);
    const DeviceArray w(w_);
    const DeviceArray offset(offset_);
    const DeviceArray scale(scale_);
    const DeviceArray bias(bias_);
    const DeviceArray weight_sum(weight_sum_);
    const DeviceArray row_scale(row_scale_);
    const DeviceArray row_floor(row_floor_);
    const DeviceArray residual(residual_);
    const DeviceArray table(table_);
    const DeviceArray out(start());
    const qe::GemmOperands operands{.a = a.data(),
                                    .a_type = s.a_signed ? Element::kS8 : Element::kU8,
                                    .lda = s.lda,
                                    .m = s.m,
                                    .column_offset = s.offset ? offset.data() : nullptr,
                                    .column_scale = scale.data(),
                                    .row_scale = s.row_scale ? row_scale.data() : nullptr,
                                    .row_floor = s.row_floor ? row_floor.data() : nullptr,
                                    .column_weight_sum = s.row_floor ? weight_sum.data() : nullptr,
                                    .bias = s.bias ? bias.data() : nullptr,
                                    .activation = s.activation,
                                    .residual = !s.residual  ? nullptr
                                                : s.in_place ? out.data()
                                                             : residual.data(),
                                    .ld_residual = s.ld_residual,
                                    .residual_scale = residual_scale_,
                                    .out = out.data(),
                                    .out_type = s.out,
                                    .ld_out = s.ld_out,
                                    .out_inv_scale = out_inv_scale_,
                                    .out_zero_point = out_zero_point_,
                                    .table = s.table ? table.data() : nullptr};
    const qe::GemmWeights weights{.w = w.data(), .ld = s.ldw, .n = s.n, .k = s.k};
    gemm.run(weights, operands, stream, kernel);
    qe::cuda::synchronize(stream);
    CHECK_MESSAGE(same(out.read()), describe(s, kernel));
  }

 private:
  // What is in the memory of the result beforehand.
  std::vector<std::uint8_t> start() const {
    if (shape_.in_place) return residual_;
    return std::vector<std::uint8_t>(
        static_cast<std::size_t>(shape_.m) * shape_.ld_out * qe::element_bytes(shape_.out),
        kPattern);
  }

  // y of every element, before the conversion to the type of the result, by the CPU's kernels.
  // Signed activations: a + 128 is unsigned, and 128 times the column's sum comes off again.
  void compute() {
    const Shape& s = shape_;
    const int columns = kernels::round_up(s.n, kernels::kColumnGroup);
    const std::int64_t macs = static_cast<std::int64_t>(s.m) * s.n * s.k;
    constexpr std::int64_t kMostForReference = 8'000'000;
    const kernels::KernelTable& table = kernels::kernel_table(
        macs <= kMostForReference ? qe::Isa::kReference : kernels::available_isas().back());
    // The packed weights begin at a multiple of 64 bytes.
    std::vector<std::int8_t> memory(kernels::packed_bytes(s.n, s.k) + 64);
    const auto past = reinterpret_cast<std::uintptr_t>(memory.data()) % 64;
    std::int8_t* packed = memory.data() + (past == 0 ? 0 : 64 - past);
    std::vector<std::int32_t> sums(static_cast<std::size_t>(columns));
    table.pack_weights(
        {w_.data(), s.ldw, s.n, s.k, 0, kernels::panel_count(s.n), packed, sums.data()});
    std::vector<std::uint8_t> unsigned_a = a_;
    std::vector<std::int32_t> offset(static_cast<std::size_t>(columns));
    if (s.a_signed) {
      for (std::uint8_t& byte : unsigned_a) byte ^= 0x80U;
    }
    for (std::size_t i = 0; i < offset.size(); ++i) {
      offset[i] = (s.offset ? offset_[i] : 0) - (s.a_signed ? 128 * sums[i] : 0);
    }
    y_.resize(static_cast<std::size_t>(s.m) * s.n);
    kernels::GemmArgs args{};
    args.a = unsigned_a.data();
    args.lda = s.lda;
    args.b = packed;
    args.m = s.m;
    args.n = s.n;
    args.k = s.k;
    args.last_panel = kernels::panel_count(s.n);
    args.column_offset = offset.data();
    args.column_scale = scale_.data();
    args.row_scale = s.row_scale ? row_scale_.data() : nullptr;
    args.row_floor = s.row_floor ? row_floor_.data() : nullptr;
    args.column_weight_sum = weight_sum_.data();
    args.bias = s.bias ? bias_.data() : nullptr;
    args.activation = s.activation;
    args.out_f32 = y_.data();
    args.ld_out_f32 = s.n;
    table.gemm(args);
  }

  template <class T>
  T residual_at(int row, int column) const {
    T value;
    std::memcpy(&value,
                residual_.data() +
                    (static_cast<std::size_t>(row) * shape_.ld_residual + column) * sizeof(T),
                sizeof(T));
    return value;
  }

  std::uint8_t expected_byte(float y, int row, int column) const {
    const bool is_signed = shape_.out == Element::kS8;
    float t = y;
    if (shape_.activation != Activation::kNone) {
      t = std::fma(y, out_inv_scale_, out_zero_point_);
    } else if (shape_.residual) {
      const float r = is_signed ? static_cast<float>(residual_at<std::int8_t>(row, column))
                                : static_cast<float>(residual_at<std::uint8_t>(row, column));
      t = std::fma(r, residual_scale_, y);
    }
    const float low = is_signed ? -128.0F : 0.0F;
    const float high = is_signed ? 127.0F : 255.0F;
    const auto q = static_cast<std::uint8_t>(std::isnan(t) ? static_cast<long>(low)
                                                           : std::lrint(std::clamp(t, low, high)));
    return shape_.table ? table_[q] : q;
  }

  bool same_element(const std::uint8_t* found, int row, int column) const {
    const float y = y_[static_cast<std::size_t>(row) * shape_.n + column];
    if (shape_.out == Element::kF32) {
      const float expected = shape_.residual ? y + residual_at<float>(row, column) : y;
      float value;
      std::memcpy(&value, found, sizeof(value));
      return std::memcmp(&value, &expected, sizeof(value)) == 0 ||
             (std::isnan(value) && std::isnan(expected));
    }
    if (shape_.out == Element::kF16) {
      const float sum =
          shape_.residual ? y + qe::test::half_value(residual_at<std::uint16_t>(row, column)) : y;
      std::uint16_t value;
      std::memcpy(&value, found, sizeof(value));
      return value == qe::test::half_bits(sum) ||
             (std::isnan(qe::test::half_value(value)) && std::isnan(sum));
    }
    return *found == expected_byte(y, row, column);
  }

  bool same(const std::vector<std::uint8_t>& found) const {
    const int bytes = qe::element_bytes(shape_.out);
    const std::vector<std::uint8_t> before = start();
    for (int row = 0; row < shape_.m; ++row) {
      for (int column = 0; column < shape_.ld_out; ++column) {
        const std::size_t at = (static_cast<std::size_t>(row) * shape_.ld_out + column) * bytes;
        if (column < shape_.n) {
          if (!same_element(found.data() + at, row, column)) return false;
        } else if (std::memcmp(found.data() + at, before.data() + at, bytes) != 0) {
          return false;
        }
      }
    }
    return true;
  }

  Shape shape_;
  std::vector<std::uint8_t> a_, residual_, table_;
  std::vector<std::int8_t> w_;
  std::vector<std::int32_t> offset_;
  std::vector<float> scale_, bias_, weight_sum_, row_scale_, row_floor_, y_;
  float residual_scale_, out_inv_scale_, out_zero_point_;
};

struct StreamOwner {
  StreamOwner() { qe::test::require(cudaStreamCreate(&stream)); }
  ~StreamOwner() { static_cast<void>(cudaStreamDestroy(stream)); }
  StreamOwner(const StreamOwner&) = delete;
  StreamOwner& operator=(const StreamOwner&) = delete;
  cudaStream_t stream = nullptr;
};

}  // namespace

TEST_CASE("random products on every kernel give the reference's bits") {
  const auto seed = static_cast<std::uint32_t>(setting("QE_TEST_SEED", 20250117));
  const int count = setting("QE_TEST_SHAPES", 12000);
  MESSAGE("seed " << seed << ", " << count << " products");
  Random random(seed);
  qe::cuda::Gemm gemm(0);
  const StreamOwner owner;
  for (int i = 0; i < count; ++i) {
    // Small sizes more often; the edges of all tiles are reached.
    const int m = std::min(random.integer(1, 300), random.integer(1, 300));
    const int n = std::min(random.integer(1, 400), random.integer(1, 400));
    const int k = std::min(random.integer(1, 1100), random.integer(1, 1100));
    const Problem problem(random_shape(m, n, k, random), random);
    const auto kernels = gemm.kernels(m, n, k);
    const auto pick = static_cast<std::size_t>(random.integer(0, static_cast<int>(kernels.size())));
    problem.check(gemm, pick < kernels.size() ? kernels[pick] : gemm.chosen(m, n, k), owner.stream);
  }
}

TEST_CASE("shapes of encoders on every kernel, all depth parts") {
  Random random(11);
  qe::cuda::Gemm gemm(0);
  struct Size {
    int m, n, k;
  };
  const std::vector<Size> sizes =
      qe::test::emulated()
          ? std::vector<Size>{{33, 256, 768}, {16, 128, 3072}, {1, 192, 1024}}
          : std::vector<Size>{{128, 768, 768}, {128, 3072, 768},  {16, 768, 3072},
                              {1, 1024, 4096}, {1024, 2304, 768}, {333, 4096, 1024}};
  for (const auto& [m, n, k] : sizes) {
    const Problem problem(random_shape(m, n, k, random), random);
    for (const qe::cuda::GemmKernel kernel : gemm.kernels(m, n, k)) {
      problem.check(gemm, kernel, nullptr);
    }
  }
}

TEST_CASE("no rows write nothing, and one object serves one product after the other") {
  Random random(12);
  qe::cuda::Gemm gemm(0);
  const Problem problem(random_shape(65, 100, 2000, random), random);
  for (int i = 0; i < 3; ++i) {
    for (const qe::cuda::GemmKernel kernel : gemm.kernels(65, 100, 2000)) {
      problem.check(gemm, kernel, nullptr);
    }
  }
  const std::vector<std::uint8_t> nothing(16, kPattern);
  const DeviceArray memory(nothing);
  const DeviceArray scale(std::vector<float>(16));
  gemm.run({.w = reinterpret_cast<const std::int8_t*>(memory.data()), .ld = 16, .n = 16, .k = 16},
           {.a = memory.data(),
            .lda = 16,
            .m = 0,
            .column_scale = scale.data(),
            .out = memory.data(),
            .ld_out = 16},
           nullptr);
  qe::cuda::synchronize(nullptr);
  CHECK(memory.read() == nothing);
}
