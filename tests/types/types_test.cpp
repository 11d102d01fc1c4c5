// Element types, shapes, conversions to float and the wording of errors.
#include <cmath>
#include <cstdint>
#include <limits>

#include <doctest/doctest.h>

#include <qe/dtype.h>
#include <qe/error.h>
#include <qe/tensor.h>

namespace {

TEST_CASE("every element type is found by its own name") {
  for (int i = 0; i <= static_cast<int>(qe::DType::kU64); ++i) {
    const auto dtype = static_cast<qe::DType>(i);
    CHECK(qe::parse_dtype(qe::name(dtype)) == dtype);
    CHECK(qe::bit_width(dtype) >= 4);
  }
  CHECK_FALSE(qe::parse_dtype("F12").has_value());
}

TEST_CASE("element counts are checked") {
  CHECK(qe::element_count({}) == 1);
  CHECK(qe::element_count({3, 0, 5}) == 0);
  CHECK_THROWS_AS(qe::element_count({-1}), qe::GraphError);
  CHECK_THROWS_AS(qe::element_count({std::int64_t{1} << 40, std::int64_t{1} << 40}),
                  qe::GraphError);
}

TEST_CASE("half and bfloat widen exactly") {
  const auto half = [](std::uint16_t bits) {
    qe::Tensor t = qe::make_tensor<std::uint16_t>({1}, {bits});
    t.dtype = qe::DType::kF16;
    return qe::to_float(t, "t")[0];
  };
  CHECK(half(0x3c00) == 1.0F);
  CHECK(half(0xc000) == -2.0F);
  CHECK(half(0x0001) == 0x1p-24F);
  CHECK(half(0x03ff) == 1023 * 0x1p-24F);
  CHECK(half(0x7bff) == 65504.0F);
  CHECK(std::isinf(half(0x7c00)));
  CHECK(std::isnan(half(0x7e00)));
  CHECK(std::signbit(half(0x8000)));
  qe::Tensor b = qe::make_tensor<std::uint16_t>({1}, {0x3fc0});
  b.dtype = qe::DType::kBF16;
  CHECK(qe::to_float(b, "b")[0] == 1.5F);
}

TEST_CASE("reading a tensor as the wrong type is an error that names both") {
  const qe::Tensor t = qe::make_tensor<float>({2}, {1.0F, 2.0F});
  CHECK(t.data<float>()[1] == 2.0F);
  CHECK_THROWS_WITH_AS(t.data<std::int8_t>(),
                       "tensor read as the wrong type (expected I8, got F32)", qe::GraphError);
  CHECK_THROWS_AS(qe::make_tensor<float>({3}, {1.0F}), qe::GraphError);
  qe::Tensor c = t;
  c.dtype = qe::DType::kC64;
  CHECK_THROWS_AS(qe::to_float(c, "weights"), qe::UnsupportedError);
}

TEST_CASE("an error reads file, name, problem, expected, actual") {
  const qe::LoadError e({.problem = "wrong shape",
                         .file = "m.safetensors",
                         .name = "w",
                         .expected = "[2]",
                         .actual = "[3]"});
  CHECK(std::string(e.what()) == "m.safetensors: w: wrong shape (expected [2], got [3])");
  CHECK(e.detail().name == "w");
}

}  // namespace
