// Entries and launches of the kernels for compute capability 9.0 (wgmma_product.h).
#include <cudaTypedefs.h>

#include <cstddef>
#include <cstdint>
#include <utility>

#include "kernels/cuda/entry.h"
#include "kernels/cuda/wgmma_product.h"

namespace qe::kernels::cuda {
namespace {

template <int kKernel>
Entry<void (*)(Product, CUtensorMap, CUtensorMap)> wgmma_entry(
    std::integral_constant<int, kKernel>) {
  using Tile = WgmmaTile<kKernel>;
  constexpr Signs kU8 = operand_signs(Tile::kSwapped, Element::kU8);
  return {{&wgmma_product<kKernel, kU8>, &wgmma_product<kKernel, Signs::kS8S8>},
          Tile::kSharedBytes,
          Tile::kThreads,
          Tile::kBlocksPerMultiprocessor};
}

auto wgmma_entries() {
  return entries_of<Family::kWgmma>([](auto kernel) { return wgmma_entry(kernel); });
}

// Rows of `k` bytes, read in boxes of 128 bytes of `box_rows` rows; zero outside.
CUresult encode(void* encoder, CUtensorMap& map, const void* rows, int count, int k,
                std::ptrdiff_t ld, int box_rows) {
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(k), static_cast<cuuint64_t>(count)};
  const cuuint64_t strides[] = {static_cast<cuuint64_t>(ld)};
  const cuuint32_t box[] = {kDepthBytes, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t steps[] = {1, 1};
  const auto function = reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(encoder);
  return function(&map, CU_TENSOR_MAP_DATA_TYPE_UINT8, 2, const_cast<void*>(rows), sizes, strides,
                  box, steps, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                  CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
}

}  // namespace

int prepare_wgmma() noexcept { return prepare(wgmma_entries()); }

int resident_wgmma(int kernel, int multiprocessors) noexcept {
  const KernelShape& shape = kKernels[kernel];
  const auto entry = wgmma_entries()[static_cast<std::size_t>(kernel - first_of(Family::kWgmma))];
  if (shape.cluster() == 1) {
    return multiprocessors * entry.blocks_per_multiprocessor;
  }
  LaunchConfig config(shape.cluster(), entry.threads, entry.shared_bytes, {});
  config.set_cluster(shape.cluster());
  int clusters = 0;
  if (config.count_clusters(entry.functions[0], clusters) != cudaSuccess) {
    static_cast<void>(cudaGetLastError());  // other kernels do what this one would
    return 0;
  }
  return clusters * shape.cluster();
}

int launch_wgmma(const Launch& launch) noexcept {
  const KernelShape& shape = kKernels[launch.kernel];
  constexpr int kFirst = first_of(Family::kWgmma);
  const auto entry = wgmma_entries()[static_cast<std::size_t>(launch.kernel - kFirst)];
  const Product& product = launch.product;
  const GemmOperands& x = product.x;
  const GemmWeights& w = product.w;
  CUtensorMap rows;
  CUtensorMap weights;
  CUresult described = encode(launch.encode_tensor_map, rows, x.a, x.m, w.k, x.lda,
                              shape.swapped ? shape.minor_share() : shape.major_share());
  if (described == CUDA_SUCCESS) {
    described = encode(launch.encode_tensor_map, weights, w.w, w.n, w.k, w.ld,
                       shape.swapped ? shape.major_share() : shape.minor_share());
  }
  if (described != CUDA_SUCCESS) return described;  // the runtime counts its errors alike
  const int items = tile_grid(shape, x.m, w.n).count() * product.splits;
  // Blocks that wait for each other begin together, behind the launch before theirs.
  const bool together = product.row_bytes.q != nullptr;
  LaunchConfig config(items < launch.resident ? items : launch.resident, entry.threads,
                      entry.shared_bytes,
                      together ? LaunchStream(launch.stream.handle) : launch.stream);
  config.set_cluster(shape.cluster());
  if (together) config.set_all_resident();
  return config.launch(entry.function(product), product, shape.swapped ? weights : rows,
                       shape.swapped ? rows : weights);
}

}  // namespace qe::kernels::cuda
