// Kernels and other work on the way into a stream.
#include <algorithm>
#include <cstdio>
#include <utility>

#include "tests/cuda/simt/grid.h"
#include "tests/cuda/simt/runtime_state.h"

namespace qe::simt {
namespace {

int cluster_size(const cudaLaunchConfig_t& config) {
  int size = 1;
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    if (config.attrs[i].id == cudaLaunchAttributeClusterDimension) {
      size = static_cast<int>(config.attrs[i].val.clusterDim.x);
    }
  }
  return size;
}

}  // namespace

cudaError_t set_shared_limit(const void* kernel, int bytes) {
  const Lock lock;
  if (usable() != cudaSuccess) return state().lost;
  constexpr int kMost = 227 * 1024;
  if (bytes < 0 || bytes > kMost) return report(cudaErrorInvalidValue);
  state().shared_limits[kernel] = bytes;
  return cudaSuccess;
}

cudaError_t count_clusters(const cudaLaunchConfig_t& config, int& count) {
  const Lock lock;
  if (usable() != cudaSuccess) return state().lost;
  count = state().machine.multiprocessors / cluster_size(config);
  return cudaSuccess;
}

cudaError_t enqueue_work(cudaStream_t stream, std::function<void()> work) {
  const auto all = [work = std::move(work)] {
    work();
    return cudaSuccess;
  };
  return enqueue(stream, Operation{.work = all, .grid = {}, .is_kernel = true});
}

int code_version() {
  const Machine& machine = state().machine;
  return std::min(machine.ptx_version, 10 * machine.major + machine.minor);
}

cudaError_t enqueue_kernel(const cudaLaunchConfig_t& config, const void* kernel,
                           std::function<void()> body) {
  const Lock lock;
  constexpr int kWithoutAsking = 48 * 1024;
  const auto limit = state().shared_limits.find(kernel);
  const int most = limit == state().shared_limits.end() ? kWithoutAsking
                                                        : std::max(kWithoutAsking, limit->second);
  const dim3& grid = config.gridDim;
  const bool right = grid.x > 0 && grid.y > 0 && grid.z > 0 && grid.y < 65536 && grid.z < 65536 &&
                     config.blockDim.x > 0 && config.blockDim.x <= 1024 &&
                     config.dynamicSmemBytes <= static_cast<std::size_t>(most);
  if (!right) return report(cudaErrorInvalidValue);
  GridShape shape{{grid.x, grid.y, grid.z},
                  {config.blockDim.x, config.blockDim.y, config.blockDim.z},
                  cluster_size(config),
                  config.dynamicSmemBytes};
  for (unsigned i = 0; i < config.numAttrs; ++i) {
    const cudaLaunchAttribute& attribute = config.attrs[i];
    if (attribute.id == cudaLaunchAttributeProgrammaticStreamSerialization) {
      shape.overlaps = attribute.val.programmaticStreamSerializationAllowed != 0;
    } else if (attribute.id == cudaLaunchAttributeCooperative) {
      shape.all_resident = attribute.val.cooperative != 0;
    }
  }
  const auto places = static_cast<unsigned>(state().machine.multiprocessors);
  if (shape.all_resident && grid.x * grid.y * grid.z > places) {
    return report(cudaErrorCooperativeLaunchTooLarge);
  }
  // The code would not wait.
  if (shape.overlaps && code_version() < 90) return report(cudaErrorNotSupported);
  const auto launch = [shape, body = std::move(body)] {
    return std::make_unique<Grid>(shape, state().machine.seed + 1000 * ++state().kernels, body);
  };
  return enqueue(
      config.stream,
      Operation{.work = {}, .grid = launch, .is_kernel = true, .overlaps = shape.overlaps});
}

cudaError_t InOrder::run(const Operation& operation, const Operation* next) {
  if (!operation.grid) return operation.work();
  if (std::exchange(state().machine.lose_next_kernel, false)) {
    state().lost_because = "lost by request";
    return cudaErrorLaunchFailure;
  }
  try {
    const std::unique_ptr<Grid> grid = begun_ ? std::move(begun_) : operation.grid();
    if (next != nullptr && next->overlaps) {
      begun_ = next->grid();
      begun_->begin();
      ++state().begun_ahead;
    }
    grid->finish();
  } catch (const Failure& failure) {
    state().lost_because = failure.what();
    std::fprintf(stderr, "kernel failed: %s\n", failure.what());
    return cudaErrorLaunchFailure;
  }
  return cudaSuccess;
}

}  // namespace qe::simt
