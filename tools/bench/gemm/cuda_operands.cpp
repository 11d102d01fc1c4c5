// Random bytes and halves in every set.
#include "tools/bench/gemm/cuda_operands.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "tools/bench/gemm/cuda_kernels.h"

namespace qe::tools {
namespace {

constexpr std::size_t kMostSets = 256;
constexpr std::size_t kAlignment = 256;

constexpr std::size_t round_up(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

std::size_t set_count(const GemmShape& shape, std::size_t cache_bytes) {
  const auto m = static_cast<std::size_t>(shape.m);
  const auto n = static_cast<std::size_t>(shape.n);
  const auto k = static_cast<std::size_t>(shape.k);
  return std::clamp<std::size_t>(2 * cache_bytes / (m * k + n * k + m * n) + 1, 1, kMostSets);
}

}  // namespace

OperandSets::OperandSets(std::size_t bytes, std::size_t count)
    : memory_(round_up(bytes) * count), stride_(round_up(bytes)), bytes_(round_up(bytes) * count) {}

CudaOperands::CudaOperands(const GemmShape& shape, const GemmOptions& options,
                           std::size_t cache_bytes, cudaStream_t stream)
    : sets(set_count(shape, cache_bytes)) {
  const auto m = static_cast<std::size_t>(shape.m);
  const auto n = static_cast<std::size_t>(shape.n);
  const auto k = static_cast<std::size_t>(shape.k);
  a = OperandSets(m * k, sets);
  w = OperandSets(n * k, sets);
  out = OperandSets(m * n, sets);
  columns = DeviceMemory(2 * n * sizeof(float));
  std::vector<float> values(2 * n);
  // Random sums have a deviation of about 5000 sqrt(k); they spread over the bytes' range.
  std::fill_n(values.begin(), n, 0.01F / std::sqrt(static_cast<float>(shape.k)));
  std::fill_n(values.begin() + shape.n, n, 128.0F);
  check_cuda(
      cudaMemcpy(columns.data(), values.data(), values.size() * sizeof(float), cudaMemcpyDefault),
      "copying scales");
  const auto seed = static_cast<std::uint32_t>(options.flags.seed);
  const auto random_bytes = [&](const OperandSets& to, std::uint32_t which) {
    check_cuda(fill_random_bytes(to.at(0), to.bytes(), which, stream), "making inputs");
  };
  random_bytes(a, 2 * seed);
  random_bytes(w, 2 * seed + 1);
  if (!options.compare) return;
  sums = OperandSets(m * n * sizeof(std::int32_t), sets);
  half_a = OperandSets(m * k * 2, sets);
  half_w = OperandSets(n * k * 2, sets);
  half_out = OperandSets(m * n * 2, sets);
  const auto random_halves = [&](const OperandSets& to, std::uint32_t which) {
    check_cuda(fill_random_halves(to.at(0), to.bytes() / 2, which, stream), "making inputs");
  };
  random_halves(half_a, seed);
  random_halves(half_w, seed + 1);
}

}  // namespace qe::tools
