// The comparison, element by element.
#include "tests/cuda/gemm_problem.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tests/cuda/gpu_support.h"
#include "tests/cuda/halves.h"

namespace qe::test {
namespace {

constexpr std::uint8_t kPattern = 0xA5;

std::vector<float> random_reals(ShapeRandom& random, int count, float tame) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = real(random, tame);
  return values;
}

std::vector<std::uint8_t> random_bytes(ShapeRandom& random, std::size_t count) {
  std::vector<std::uint8_t> values(count);
  random.fill(std::span(values));
  if (random.chance(4)) {
    for (std::uint8_t& value : values) value = (value & 1U) != 0 ? 0x80 : 0x7F;
  }
  return values;
}

// Elements of a row, rounded up to whole 16 bytes and sometimes a bit more.
int stride(int count, Element type, ShapeRandom& random) {
  const int unit = 16 / element_bytes(type);
  return kernels::round_up(count, unit) + (random.chance(2) ? 0 : unit * random.integer(1, 3));
}

}  // namespace

GemmShape random_gemm_shape(int m, int n, int k, ShapeRandom& random) {
  GemmShape s{};
  s.m = m;
  s.n = n;
  s.k = k;
  s.a_signed = random.chance(2);
  s.offset = random.chance(2);
  s.row_scale = random.chance(2);
  s.row_floor = random.chance(2);
  s.bias = random.chance(2);
  s.out = static_cast<Element>(random.integer(0, 3));
  s.activation = static_cast<Activation>(random.chance(2) ? 0 : random.integer(1, 7));
  const bool bytes = element_bytes(s.out) == 1;
  s.residual = random.chance(2) && (!bytes || s.activation == Activation::kNone);
  s.in_place = s.residual && random.chance(2);
  s.table = bytes && random.chance(2);
  s.lda = stride(k, Element::kU8, random);
  s.ldw = stride(k, Element::kS8, random);
  s.ld_out = stride(n, s.out, random);
  s.ld_residual = s.in_place ? s.ld_out : stride(n, s.out, random);
  return s;
}

std::string GemmProblem::describe(cuda::GemmKernel kernel) const {
  const GemmShape& s = shape_;
  return std::string(cuda::kernel_name(kernel.index)) + " splits " + std::to_string(kernel.splits) +
         " m " + std::to_string(s.m) + " n " + std::to_string(s.n) + " k " + std::to_string(s.k) +
         " signed " + std::to_string(s.a_signed) + " offset " + std::to_string(s.offset) +
         " row_scale " + std::to_string(s.row_scale) + " row_floor " + std::to_string(s.row_floor) +
         " bias " + std::to_string(s.bias) + " residual " + std::to_string(s.residual) + " table " +
         std::to_string(s.table) + " out " + std::to_string(static_cast<int>(s.out)) +
         " activation " + std::to_string(static_cast<int>(s.activation));
}

GemmProblem::GemmProblem(const GemmShape& shape, ShapeRandom& random) : shape_(shape) {
  const int columns = kernels::round_up(shape.n, kernels::kColumnGroup);
  arrays_.a = random_bytes(random, static_cast<std::size_t>(shape.m) * shape.lda);
  for (const std::uint8_t byte :
       random_bytes(random, static_cast<std::size_t>(shape.n) * shape.ldw)) {
    arrays_.w.push_back(static_cast<std::int8_t>(byte));
  }
  for (int i = 0; i < columns; ++i) arrays_.offset.push_back(random.integer(-100000, 100000));
  arrays_.scale = random_reals(random, columns, 0.01F);
  arrays_.bias = random_reals(random, columns, 200.0F);
  arrays_.weight_sum = random_reals(random, columns, 50.0F);
  arrays_.row_scale = random_reals(random, shape.m, 2.0F);
  arrays_.row_floor = random_reals(random, shape.m, 2.0F);
  residual_ = random_bytes(
      random, static_cast<std::size_t>(shape.m) * shape.ld_residual * element_bytes(shape.out));
  table_ = random_bytes(random, 256);
  residual_scale_ = real(random, 2.0F);
  out_inv_scale_ = real(random, 50.0F);
  out_zero_point_ = static_cast<float>(random.integer(-128, 255));
  compute();
}

bool GemmProblem::same_on(cuda::Gemm& gemm, cuda::GemmKernel kernel, cuda::Stream stream) const {
  const GemmShape& s = shape_;
  const DeviceGemmArrays device(arrays_);
  const DeviceArray residual(residual_);
  const DeviceArray table(table_);
  const DeviceArray out(start());
  GemmOperands operands = device.operands();
  operands.a_type = s.a_signed ? Element::kS8 : Element::kU8;
  operands.lda = s.lda;
  operands.m = s.m;
  if (!s.offset) operands.column_offset = nullptr;
  if (!s.row_scale) operands.row_scale = nullptr;
  if (!s.row_floor) operands.row_floor = operands.column_weight_sum = nullptr;
  if (!s.bias) operands.bias = nullptr;
  operands.activation = s.activation;
  if (s.residual) operands.residual = s.in_place ? out.data() : residual.data();
  operands.ld_residual = s.ld_residual;
  operands.residual_scale = residual_scale_;
  operands.out = out.data();
  operands.out_type = s.out;
  operands.ld_out = s.ld_out;
  operands.out_inv_scale = out_inv_scale_;
  operands.out_zero_point = out_zero_point_;
  if (s.table) operands.table = table.data();
  const GemmWeights weights{.w = device.weights(), .ld = s.ldw, .n = s.n, .k = s.k};
  gemm.run(weights, operands, stream, kernel);
  cuda::synchronize(stream);
  return same(out.read());
}

// What is in the memory of the result beforehand.
std::vector<std::uint8_t> GemmProblem::start() const {
  if (shape_.in_place) return residual_;
  return std::vector<std::uint8_t>(
      static_cast<std::size_t>(shape_.m) * shape_.ld_out * element_bytes(shape_.out), kPattern);
}

// y of every element, before the conversion to the type of the result, by the CPU's kernels.
// Signed activations: a + 128 is unsigned, and 128 times the column's sum comes off again.
void GemmProblem::compute() {
  const GemmShape& s = shape_;
  const int columns = kernels::round_up(s.n, kernels::kColumnGroup);
  const std::int64_t macs = static_cast<std::int64_t>(s.m) * s.n * s.k;
  constexpr std::int64_t kMostForReference = 8'000'000;
  const kernels::KernelTable& table = kernels::kernel_table(
      macs <= kMostForReference ? Isa::kReference : kernels::available_isas().back());
  // The packed weights begin at a multiple of 64 bytes.
  std::vector<std::int8_t> memory(kernels::packed_bytes(s.n, s.k) + 64);
  const auto past = reinterpret_cast<std::uintptr_t>(memory.data()) % 64;
  std::int8_t* packed = memory.data() + (past == 0 ? 0 : 64 - past);
  std::vector<std::int32_t> sums(static_cast<std::size_t>(columns));
  table.pack_weights(
      {arrays_.w.data(), s.ldw, s.n, s.k, 0, kernels::panel_count(s.n), packed, sums.data()});
  std::vector<std::uint8_t> unsigned_a = arrays_.a;
  std::vector<std::int32_t> offset(static_cast<std::size_t>(columns));
  if (s.a_signed) {
    for (std::uint8_t& byte : unsigned_a) byte ^= 0x80U;
  }
  for (std::size_t i = 0; i < offset.size(); ++i) {
    offset[i] = (s.offset ? arrays_.offset[i] : 0) - (s.a_signed ? 128 * sums[i] : 0);
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
  args.column_scale = arrays_.scale.data();
  args.row_scale = s.row_scale ? arrays_.row_scale.data() : nullptr;
  args.row_floor = s.row_floor ? arrays_.row_floor.data() : nullptr;
  args.column_weight_sum = arrays_.weight_sum.data();
  args.bias = s.bias ? arrays_.bias.data() : nullptr;
  args.activation = s.activation;
  args.out_f32 = y_.data();
  args.ld_out_f32 = s.n;
  table.gemm(args);
}

template <class T>
T GemmProblem::residual_at(int row, int column) const {
  T value;
  std::memcpy(
      &value,
      residual_.data() + (static_cast<std::size_t>(row) * shape_.ld_residual + column) * sizeof(T),
      sizeof(T));
  return value;
}

std::uint8_t GemmProblem::expected_byte(float y, int row, int column) const {
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

bool GemmProblem::same_element(const std::uint8_t* found, int row, int column) const {
  const float y = y_[static_cast<std::size_t>(row) * shape_.n + column];
  if (shape_.out == Element::kF32) {
    const float expected = shape_.residual ? y + residual_at<float>(row, column) : y;
    float value;
    std::memcpy(&value, found, sizeof(value));
    return std::memcmp(&value, &expected, sizeof(value)) == 0 ||
           (std::isnan(value) && std::isnan(expected));
  }
  if (shape_.out == Element::kF16) {
    const float sum = shape_.residual ? y + half_value(residual_at<std::uint16_t>(row, column)) : y;
    std::uint16_t value;
    std::memcpy(&value, found, sizeof(value));
    return value == half_bits(sum) || (std::isnan(half_value(value)) && std::isnan(sum));
  }
  return *found == expected_byte(y, row, column);
}

bool GemmProblem::same(const std::vector<std::uint8_t>& found) const {
  const int bytes = element_bytes(shape_.out);
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

}  // namespace qe::test
