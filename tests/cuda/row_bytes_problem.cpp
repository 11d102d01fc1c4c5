// Both ways on the device; the product of floats and the quantization have tests of their own.
#include "tests/cuda/row_bytes_problem.h"

#include "kernels/cuda/row_bytes_plan.h"
#include "kernels/cuda/rows.h"
#include "tests/cuda/gpu_support.h"

namespace qe::test {
namespace {

constexpr std::uint8_t kPattern = 0xA5;
constexpr float kPatternFloat = -12345.0F;
constexpr float kFloor = -0.17005F;

// Of columns tame as a rule, for one that is not spoils every row.
std::vector<float> random_reals(ShapeRandom& random, int count, float tame, bool wild) {
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = wild ? real(random, tame) : tame * random.uniform();
  return values;
}

void require_launched(int error) { require(static_cast<cudaError_t>(error)); }

}  // namespace

// The operands in device memory.
class RowBytesOperands {
 public:
  DeviceGemmArrays arrays;
  DeviceArray<std::int32_t> rows;
  DeviceArray<std::uint8_t> scratch;  // of ProductKernels
};

RowBytesProblem::RowBytesProblem(const RowBytesShape& shape, ShapeRandom& random)
    : shape_(shape),
      activation_(random.chance(3) ? Activation::kRelu : Activation::kGeluErf),
      lda_(kernels::round_up(shape.k, 16)),
      ldq_(kernels::round_up(shape.n, 16) + 16 * random.integer(0, 2)) {
  arrays_.a.resize(static_cast<std::size_t>(shape.m) * lda_);
  arrays_.w.resize(static_cast<std::size_t>(shape.n) * lda_);
  random.fill(std::span(arrays_.a));
  random.fill(std::span(arrays_.w));
  const int columns = kernels::round_up(shape.n, kernels::kColumnGroup);
  const bool wild = random.chance(8);
  arrays_.scale = random_reals(random, columns, 0.01F, wild);
  arrays_.bias = random_reals(random, columns, 20.0F, wild);
  arrays_.weight_sum = random_reals(random, columns, 5.0F, wild);
  arrays_.row_scale = random_reals(random, shape.m, 0.02F, true);
  arrays_.row_floor = random_reals(random, shape.m, 2.0F, true);
}

std::string RowBytesProblem::describe(int kernel) const {
  return std::string(kernels::cuda::kKernels[kernel].name) + " m " + std::to_string(shape_.m) +
         " n " + std::to_string(shape_.n) + " k " + std::to_string(shape_.k) + " rows " +
         std::to_string(shape_.rows);
}

RowBytesProblem::Result RowBytesProblem::start() const {
  return {std::vector<std::uint8_t>(static_cast<std::size_t>(shape_.m) * ldq_, kPattern),
          std::vector<float>(static_cast<std::size_t>(shape_.m), kPatternFloat)};
}

GemmOperands RowBytesProblem::operands(const RowBytesOperands& device) const {
  GemmOperands operands = device.arrays.operands();
  operands.column_offset = nullptr;
  operands.lda = lda_;
  operands.m = shape_.m;
  operands.activation = activation_;
  operands.out_type = Element::kF32;
  return operands;
}

RowBytesProblem::Result RowBytesProblem::apart(const cuda::ProductKernels& products,
                                               const RowBytesOperands& device) const {
  const int ld = kernels::round_up(shape_.n, 4);
  const DeviceArray floats(std::vector<float>(static_cast<std::size_t>(shape_.m) * ld));
  GemmOperands x = operands(device);
  x.out = floats.data();
  x.ld_out = ld;
  require_launched(
      products.launch(x, {.w = device.arrays.weights(), .ld = lda_, .n = shape_.n, .k = shape_.k},
                      device.rows.data(), products.choose(shape_.m, shape_.n, shape_.k),
                      reinterpret_cast<std::byte*>(device.scratch.data()), {}));
  const Result before = start();
  const DeviceArray q(before.q);
  const DeviceArray scale(before.scale);
  require_launched(kernels::cuda::launch_quantize_rows({.x = floats.data(),
                                                        .ldx = ld,
                                                        .rows = shape_.m,
                                                        .cols = shape_.n,
                                                        .q = q.data(),
                                                        .ldq = ldq_,
                                                        .scheme = kernels::RowScheme::kKnownFloor,
                                                        .scale = scale.data(),
                                                        .floor = nullptr,
                                                        .known_floor = kFloor,
                                                        .inv_scale = 0.0F,
                                                        .zero_point = 0.0F},
                                                       device.rows.data(), {}));
  require(cudaDeviceSynchronize());
  return {q.read(), scale.read()};
}

std::vector<RowBytesProblem::Result> RowBytesProblem::together(
    const cuda::ProductKernels& products, int kernel, const RowBytesOperands& device) const {
  const auto sizes = kernels::cuda::row_bytes_scratch(shape_.m, shape_.n);
  const DeviceArray gates(std::vector<unsigned int>(sizes.gate_bytes / sizeof(unsigned int)));
  const DeviceArray largest(std::vector<float>(sizes.largest_bytes / sizeof(float), kPatternFloat));
  std::vector<Result> results;
  for (int turn = 0; turn < 2; ++turn) {
    const Result before = start();
    const DeviceArray q(before.q);
    const DeviceArray scale(before.scale);
    require_launched(products.launch(
        operands(device), {.w = device.arrays.weights(), .ld = lda_, .n = shape_.n, .k = shape_.k},
        device.rows.data(), {.kernel = kernel, .splits = 1},
        reinterpret_cast<std::byte*>(device.scratch.data()), {}, {},
        {.q = q.data(),
         .ldq = ldq_,
         .scale = scale.data(),
         .floor = kFloor,
         .largest = largest.data(),
         .gates = gates.data()}));
    require(cudaDeviceSynchronize());
    results.push_back({q.read(), scale.read()});
  }
  return results;
}

bool RowBytesProblem::same_on(const cuda::ProductKernels& products, int kernel) const {
  const RowBytesOperands device{
      .arrays = DeviceGemmArrays(arrays_),
      .rows = DeviceArray(std::vector<std::int32_t>{shape_.rows}),
      .scratch = DeviceArray(std::vector<std::uint8_t>(products.scratch_bytes()))};
  const Result expected = apart(products, device);
  for (const Result& found : together(products, kernel, device)) {
    if (found.q != expected.q || !same_floats(found.scale, expected.scale)) return false;
  }
  return true;
}

}  // namespace qe::test
