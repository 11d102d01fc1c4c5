// The float functions of docs/numerics.md: every vector version has the bits of the scalar one over
// a sweep of all exponents, and the scalar one is as accurate as documented, against libm in
// double.
#include <doctest/doctest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "kernels/kernel_table.h"
#include "kernels/reference/math.h"
#include "tests/kernels/math_probe.h"

namespace qe::test {
namespace {

namespace reference = kernels::reference;

constexpr double kSqrtHalf = 0.70710678118654752440;
constexpr double kSqrtTwoOverPi = 0.79788456080286535588;

struct FunctionUnderTest {
  const char* name;
  Function id;
  float (*scalar)(float) noexcept;
  double (*exact)(double);
  // |error| <= absolute * max(1, |x|) or <= relative * |exact|
  double absolute;
  double relative;
};

double exact_exp(double x) { return std::exp(std::clamp(x, -87.0, 88.0)); }
// The function is for arguments <= 0 and means nothing above.
float scalar_exp_255(float x) noexcept { return x > 0.0F ? 0.0F : reference::exp_255(x); }
double exact_exp_255(double x) { return x > 0.0 ? 0.0 : 255.0 * exact_exp(x); }
double exact_tanh(double x) { return std::tanh(x); }
// exp's range is clamped, which sigmoid and SiLU inherit.
double exact_sigmoid(double x) { return 1.0 / (1.0 + exact_exp(-x)); }
double exact_silu(double x) { return x / (1.0 + exact_exp(-x)); }
double exact_gelu_erf(double x) { return 0.5 * x * std::erfc(-x * kSqrtHalf); }
double exact_gelu_tanh(double x) {
  return 0.5 * x * (1.0 + std::tanh(kSqrtTwoOverPi * (x + 0.044715 * x * x * x)));
}

constexpr FunctionUnderTest kFunctions[] = {
    {"exp", Function::kExp, reference::exp, exact_exp, 0.0, 7.4e-7},
    {"exp_255", Function::kExp255, scalar_exp_255, exact_exp_255, 0.0, 7.4e-7},
    {"tanh", Function::kTanh, reference::tanh, exact_tanh, 2.4e-7, 4.2e-7},
    {"sigmoid", Function::kSigmoid, reference::sigmoid, exact_sigmoid, 1.3e-7, 8e-7},
    {"silu", Function::kSilu, reference::silu, exact_silu, 8e-7, 0.0},
    {"gelu_erf", Function::kGeluErf, reference::gelu_erf, exact_gelu_erf, 2.4e-5, 0.0},
    {"gelu_tanh", Function::kGeluTanh, reference::gelu_tanh, exact_gelu_tanh, 2.1e-5, 0.0},
    {"gelu_erf_precise", Function::kGeluErfPrecise, reference::gelu_erf_precise, exact_gelu_erf,
     5.6e-7, 0.0},
    {"gelu_tanh_precise", Function::kGeluTanhPrecise, reference::gelu_tanh_precise, exact_gelu_tanh,
     2.0e-7, 0.0},
};

bool same(float a, float b) {
  return std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

std::vector<float> special_values() {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> values = {0.0F,
                               1e-45F,
                               1e-38F,
                               std::numeric_limits<float>::min(),
                               std::numeric_limits<float>::max(),
                               kInf,
                               kNan,
                               0.625F,
                               87.0F,
                               88.0F,
                               89.0F,
                               104.0F};
  const std::size_t count = values.size();
  for (std::size_t i = 0; i < count; ++i) {
    values.push_back(-values[i]);
  }
  while (values.size() % 16 != 0) {
    values.push_back(1.0F);
  }
  return values;
}

// Every exponent and sign, mantissas a prime apart: about a million values; then the range where
// the functions bend, finely.
template <class Check>
void sweep(Check check) {
  float x[16];
  constexpr std::uint64_t kStride = 4093;
  for (std::uint64_t bits = 0; bits < (1ULL << 32U); bits += 16 * kStride) {
    for (unsigned i = 0; i < 16; ++i) {
      x[i] = std::bit_cast<float>(static_cast<std::uint32_t>(bits + i * kStride));
    }
    check(x);
  }
  for (int start = 0; start < 200'000; start += 16) {
    for (int i = 0; i < 16; ++i) {
      x[i] = static_cast<float>(start + i - 100'000) * 6e-5F;
    }
    check(x);
  }
  const std::vector<float> special = special_values();
  for (std::size_t i = 0; i < special.size(); i += 16) {
    check(special.data() + i);
  }
}

void check_same_bits(const FunctionUnderTest& function,
                     void (*probe)(Function, const float*, float*)) {
  int different = 0;
  sweep([&](const float* x) {
    float y[16];
    probe(function.id, x, y);
    for (int i = 0; i < 16; ++i) {
      const bool undefined = function.id == Function::kExp255 && x[i] > 0.0F;
      different += undefined || same(y[i], function.scalar(x[i])) ? 0 : 1;
    }
  });
  CHECK(different == 0);
}

bool available(kernels::Isa isa) {
  const std::vector<kernels::Isa> isas = kernels::available_isas();
  return std::find(isas.begin(), isas.end(), isa) != isas.end();
}

}  // namespace

TEST_CASE("vector functions have the bits of the scalar functions") {
  for (const FunctionUnderTest& function : kFunctions) {
    CAPTURE(function.name);
    if (available(kernels::Isa::kAvx2)) {
      check_same_bits(function, probe_avx2);
    }
    if (available(kernels::Isa::kAvx512Vnni)) {
      check_same_bits(function, probe_avx512_vnni);
    }
  }
}

TEST_CASE("scalar functions are as accurate as documented") {
  for (const FunctionUnderTest& function : kFunctions) {
    CAPTURE(function.name);
    int outside = 0;
    float worst = 0.0F;
    sweep([&](const float* x) {
      for (int i = 0; i < 16; ++i) {
        const double exact = function.exact(x[i]);
        if (!std::isfinite(x[i]) || std::fabs(exact) > std::numeric_limits<float>::max()) {
          continue;
        }
        const double error = std::fabs(function.scalar(x[i]) - exact);
        const double bound =
            std::max(function.absolute * std::max(1.0, std::fabs(static_cast<double>(x[i]))),
                     function.relative * std::fabs(exact));
        if (!(error <= bound)) {
          ++outside;
          worst = x[i];
        }
      }
    });
    CAPTURE(worst);
    CHECK(outside == 0);
  }
}

TEST_CASE("special values of the functions") {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  CHECK(reference::exp(0.0F) == 1.0F);
  CHECK(reference::exp(-kInf) == reference::exp(-87.0F));
  CHECK(reference::exp(kNan) == reference::exp(-87.0F));
  CHECK(reference::exp(kInf) == reference::exp(88.0F));
  CHECK(reference::exp_255(0.0F) == 255.0F);
  CHECK(reference::exp_255(kNan) == reference::exp_255(-kInf));
  CHECK(reference::exp(-87.0F) >= std::numeric_limits<float>::min());
  CHECK(reference::tanh(kInf) == 1.0F);
  CHECK(reference::tanh(-kInf) == -1.0F);
  CHECK(std::isnan(reference::tanh(kNan)));
  CHECK(reference::tanh(-0.0F) == 0.0F);
  for (auto* gelu : {reference::gelu_erf, reference::gelu_tanh, reference::gelu_erf_precise,
                     reference::gelu_tanh_precise}) {
    CHECK(gelu(0.0F) == 0.0F);
    CHECK(gelu(100.0F) == 100.0F);
    CHECK(gelu(-100.0F) == 0.0F);
    CHECK(gelu(1e30F) == 1e30F);
    CHECK(gelu(-1e30F) == 0.0F);
    CHECK(gelu(kInf) == kInf);
    CHECK(std::isnan(gelu(kNan)));
  }
}

TEST_CASE("rounding to bytes is half to even, clamped, and zero for NaN") {
  CHECK(reference::round_to_u8(0.5F) == 0);
  CHECK(reference::round_to_u8(1.5F) == 2);
  CHECK(reference::round_to_u8(2.5F) == 2);
  CHECK(reference::round_to_u8(254.5F) == 254);
  CHECK(reference::round_to_u8(-3.0F) == 0);
  CHECK(reference::round_to_u8(1e30F) == 255);
  CHECK(reference::round_to_u8(std::numeric_limits<float>::quiet_NaN()) == 0);
}

}  // namespace qe::test
