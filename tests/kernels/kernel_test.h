// What the kernel tests share: the tables to compare with the reference, seeded inputs, and
// equality of float results (bit for bit, any NaN equal to any other).
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <vector>

#include "kernels/kernel_table.h"

namespace qe::test {

inline const kernels::KernelTable& reference_table() {
  return kernels::kernel_table(kernels::Isa::kReference);
}

inline std::vector<const kernels::KernelTable*> tables_beside_reference() {
  std::vector<const kernels::KernelTable*> tables;
  for (const kernels::Isa isa : kernels::available_isas()) {
    if (isa != kernels::Isa::kReference) {
      tables.push_back(&kernels::kernel_table(isa));
    }
  }
  return tables;
}

inline std::vector<const kernels::KernelTable*> all_tables() {
  std::vector<const kernels::KernelTable*> tables = tables_beside_reference();
  tables.push_back(&reference_table());
  return tables;
}

inline bool same_floats(std::span<const float> a, std::span<const float> b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::bit_cast<std::uint32_t>(a[i]) != std::bit_cast<std::uint32_t>(b[i]) &&
        !(std::isnan(a[i]) && std::isnan(b[i]))) {
      return false;
    }
  }
  return true;
}

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}

  float normal() { return normal_(engine_); }
  float uniform() { return std::uniform_real_distribution<float>(-1, 1)(engine_); }
  int integer(int low, int high) { return std::uniform_int_distribution<int>(low, high)(engine_); }
  void fill(std::span<float> out, float deviation) {
    for (float& x : out) {
      x = deviation * normal();
    }
  }
  template <class Byte>
  void fill_bytes(std::span<Byte> out) {
    for (Byte& x : out) {
      x = static_cast<Byte>(integer(0, 255));
    }
  }

 private:
  std::mt19937_64 engine_;
  std::normal_distribution<float> normal_;
};

// Overwrites some rows of x[rows][cols] with what real data seldom shows: zeros, a constant,
// denormals, infinities, NaN. Row 0 stays as it is.
inline void plant_special_rows(std::span<float> x, int rows, int cols, std::ptrdiff_t ld) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const auto fill = [&](int row, float value) {
    for (int i = 0; row < rows && i < cols; ++i) {
      x[static_cast<std::size_t>(row * ld + i)] = value;
    }
  };
  const auto set = [&](int row, int col, float value) {
    if (row < rows && cols > 0) {
      x[static_cast<std::size_t>(row * ld + col % cols)] = value;
    }
  };
  fill(1, 0.0F);
  fill(2, -3.25F);
  fill(3, 1e-40F);
  fill(4, 0x1p-101F);
  set(5, 7, kInf);
  set(6, 3, kNan);
  set(7, 2, -kInf);
  fill(8, kNan);
  fill(9, -kInf);
  set(10, 5, 3e38F);
  fill(11, -0.0F);
}

}  // namespace qe::test
