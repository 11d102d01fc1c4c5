// cuBLASLt's products on the operands of a measurement: the rival on a GPU.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "tools/bench/gemm/shapes.h"

namespace qe::tools {

// What it multiplies and leaves, and in which order of elements.
enum class LtForm : std::uint8_t {
  kSums,       // s8 x s8 -> s32, rows as they are
  kSumsTiled,  // the same in the tiled orders (COL32, COL32_2R_4R4), operands taken as tiled before
  kBytes,      // s8 x s8 -> s8 with one scale for all
  kHalf,       // half x half -> half, sums in float
};

class LtProduct {
 public:
  // Asks the heuristic for up to 16 algorithms. Throws DeviceError.
  LtProduct(LtForm form, const GemmShape& shape);
  ~LtProduct();
  LtProduct(LtProduct&&) noexcept;

  // 0 where the library has none for this shape.
  int algorithms() const;
  // Enqueues out[m][n] = a[m][k] w[n][k]^T with one of them.
  void run(int algorithm, const void* a, const void* w, void* out, void* workspace,
           cudaStream_t stream) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

inline constexpr std::size_t kLtWorkspaceBytes = std::size_t{64} << 20;

}  // namespace qe::tools
