// The product by itself on the CPU: the reference kernel's bits for any number of threads,
// refusals.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include <qe/cpu/gemm.h>
#include <qe/error.h>

#include "tests/kernels/kernel_test.h"

namespace {

using qe::Element;

struct Problem {
  int m, n, k;
  std::vector<std::uint8_t> a, residual;
  std::vector<std::int8_t> w;
  std::vector<float> scale, bias, row_scale, row_floor, weight_sum, addend;

  Problem(int rows, int columns, int depth, std::uint64_t seed) : m(rows), n(columns), k(depth) {
    qe::test::Random random(seed);
    const auto count = [](int x, int y) { return static_cast<std::size_t>(x) * y; };
    const auto padded = static_cast<std::size_t>(qe::kernels::round_up(n, 16));
    a.resize(count(m, k) + 16);
    residual.resize(count(m, n) + 16);
    w.resize(count(n, k));
    random.fill_bytes(std::span(a));
    random.fill_bytes(std::span(residual));
    random.fill_bytes(std::span(w));
    for (auto* columns_of : {&scale, &bias, &weight_sum}) {
      columns_of->resize(padded);
      random.fill(*columns_of, columns_of == &scale ? 0.01F : 20.0F);
    }
    for (auto* rows_of : {&row_scale, &row_floor}) {
      rows_of->resize(static_cast<std::size_t>(m));
      random.fill(*rows_of, 1.0F);
    }
    addend.resize(count(m, n));
    random.fill(addend, 5.0F);
  }

  qe::GemmWeights weights() const { return {.w = w.data(), .ld = k, .n = n, .k = k}; }

  qe::GemmOperands floats(std::vector<float>& out) const {
    out.assign(addend.size(), 0.0F);
    return {.a = a.data(),
            .lda = k,
            .m = m,
            .column_scale = scale.data(),
            .row_scale = row_scale.data(),
            .row_floor = row_floor.data(),
            .column_weight_sum = weight_sum.data(),
            .bias = bias.data(),
            .activation = qe::Activation::kGeluErf,
            .residual = addend.data(),
            .ld_residual = n,
            .out = out.data(),
            .out_type = Element::kF32,
            .ld_out = n};
  }

  qe::GemmOperands bytes(std::vector<std::uint8_t>& out) const {
    out.assign(addend.size(), 0);
    return {.a = a.data(),
            .lda = k,
            .m = m,
            .column_scale = scale.data(),
            .bias = bias.data(),
            .residual = residual.data(),
            .ld_residual = n,
            .residual_scale = 0.5F,
            .out = out.data(),
            .ld_out = n};
  }
};

}  // namespace

TEST_CASE("any team of threads computes the reference's bits") {
  for (const auto& [m, n, k] :
       {std::array{1, 200, 64}, std::array{67, 130, 33}, std::array{200, 16, 128}}) {
    const Problem problem(m, n, k, 5);
    qe::cpu::Gemm reference(problem.weights(), {.isa = qe::Isa::kReference});
    std::vector<float> floats;
    std::vector<std::uint8_t> bytes;
    reference.run(problem.floats(floats));
    reference.run(problem.bytes(bytes));
    for (const int threads : {1, 2, 3}) {
      qe::cpu::Gemm gemm(problem.weights(), {.threads = threads});
      std::vector<float> other_floats;
      std::vector<std::uint8_t> other_bytes;
      gemm.run(problem.floats(other_floats));
      gemm.run(problem.bytes(other_bytes));
      CHECK(qe::test::same_floats(floats, other_floats));
      CHECK(bytes == other_bytes);
    }
  }
}

TEST_CASE("the CPU refuses what it has no kernel for, and contradictions") {
  const Problem problem(4, 16, 16, 6);
  qe::cpu::Gemm gemm(problem.weights(), {});
  std::vector<std::uint8_t> bytes;
  qe::GemmOperands operands = problem.bytes(bytes);
  CHECK_NOTHROW(gemm.run(operands));
  operands.a_type = Element::kS8;
  CHECK_THROWS_AS(gemm.run(operands), qe::UsageError);
  operands.a_type = Element::kU8;
  operands.out_type = Element::kS8;
  CHECK_THROWS_AS(gemm.run(operands), qe::UsageError);
  operands.out_type = Element::kU8;
  operands.activation = qe::Activation::kRelu;  // with a residual of bytes
  CHECK_THROWS_AS(gemm.run(operands), qe::UsageError);
  qe::GemmWeights weights = problem.weights();
  weights.n = 0;
  CHECK_THROWS_AS(qe::cpu::Gemm(weights, {}), qe::UsageError);
}
