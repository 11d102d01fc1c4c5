// Entries and launches of the kernels for compute capability 9.0 (wgmma_product.h).
#include <cudaTypedefs.h>
#include <cuda_runtime.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/wgmma_product.h"

namespace qe::kernels::cuda {
namespace {

struct WgmmaEntry {
  const void* function[2];  // for u8 and for s8 activations
  int shared_bytes, threads, blocks_per_multiprocessor;
};

template <int kKernel>
WgmmaEntry wgmma_entry() {
  using Tile = WgmmaTile<kKernel>;
  constexpr Signs kU8 = operand_signs(Tile::kSwapped, Element::kU8);
  return {{reinterpret_cast<const void*>(&wgmma_product<kKernel, kU8>),
           reinterpret_cast<const void*>(&wgmma_product<kKernel, Signs::kS8S8>)},
          Tile::kSharedBytes,
          Tile::kThreads,
          Tile::kBlocksPerMultiprocessor};
}

// The kernels of this family stand last in the list.
constexpr int first_wgmma() {
  int first = 0;
  while (first < kKernelCount && kKernels[first].family != Family::kWgmma) {
    ++first;
  }
  return first;
}

template <int... kOffset>
auto wgmma_entries(std::integer_sequence<int, kOffset...>) {
  return std::array<WgmmaEntry, sizeof...(kOffset)>{wgmma_entry<first_wgmma() + kOffset>()...};
}
auto wgmma_entries() {
  return wgmma_entries(std::make_integer_sequence<int, kKernelCount - first_wgmma()>{});
}

// Rows of `k` bytes, read in boxes of 128 bytes of `box_rows` rows; zero outside.
bool encode(void* encoder, CUtensorMap& map, const void* rows, int count, int k, std::ptrdiff_t ld,
            int box_rows) {
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(k), static_cast<cuuint64_t>(count)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(ld)};
  const cuuint32_t box[] = {kDepthBytes, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[] = {1, 1};
  const auto function = reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(encoder);
  return function(&map, CU_TENSOR_MAP_DATA_TYPE_UINT8, 2, const_cast<void*>(rows), sizes, strides,
                  box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                  CU_TENSOR_MAP_L2_PROMOTION_L2_256B,
                  CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE) == CUDA_SUCCESS;
}

}  // namespace

int prepare_wgmma() noexcept {
  for (const WgmmaEntry& entry : wgmma_entries()) {
    for (const void* function : entry.function) {
      const cudaError_t error = cudaFuncSetAttribute(
          function, cudaFuncAttributeMaxDynamicSharedMemorySize, entry.shared_bytes);
      if (error != cudaSuccess) {
        return error;
      }
    }
  }
  return cudaSuccess;
}

int launch_wgmma(const Launch& launch) noexcept {
  const KernelShape& shape = kKernels[launch.kernel];
  const WgmmaEntry entry = wgmma_entries()[static_cast<std::size_t>(launch.kernel - first_wgmma())];
  Product product = launch.product;
  const GemmOperands& x = product.x;
  const GemmWeights& w = product.w;
  CUtensorMap rows;
  CUtensorMap weights;
  const int minor_rows = shape.minor / shape.cluster;
  if (!encode(launch.encode_tensor_map, rows, x.a, x.m, w.k, x.lda,
              shape.swapped ? minor_rows : shape.major) ||
      !encode(launch.encode_tensor_map, weights, w.w, w.n, w.k, w.ld,
              shape.swapped ? shape.major : minor_rows)) {
    return cudaErrorInvalidValue;
  }
  const int items = tile_grid(shape, x.m, w.n).count() * product.splits;
  const int most =
      launch.multiprocessors / shape.cluster * shape.cluster * entry.blocks_per_multiprocessor;
  cudaLaunchAttribute cluster{};
  cluster.id = cudaLaunchAttributeClusterDimension;
  cluster.val.clusterDim.x = static_cast<unsigned>(shape.cluster);
  cluster.val.clusterDim.y = 1;
  cluster.val.clusterDim.z = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(items < most ? items : most));
  config.blockDim = dim3(static_cast<unsigned>(entry.threads));
  config.dynamicSmemBytes = static_cast<std::size_t>(entry.shared_bytes);
  config.stream = launch.stream;
  config.attrs = &cluster;
  config.numAttrs = 1;
  void* arguments[] = {&product, shape.swapped ? &weights : &rows,
                       shape.swapped ? &rows : &weights};
  return cudaLaunchKernelExC(&config, entry.function[x.a_type == Element::kS8 ? 1 : 0], arguments);
}

}  // namespace qe::kernels::cuda
