// A program for a GPU: launches and weights in its memory. Its executor records them as graphs and
// replays those.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/backends/cuda/half_product.h"
#include "engine/backends/cuda/lower.h"
#include "engine/backends/cuda/memory.h"
#include "engine/runtime/program.h"

namespace qe::cuda {

class GpuExecutor;

class GpuProgram : public Program {
 public:
  GpuProgram(const Device& on, const ProgramInput& input);

  std::unique_ptr<Executor> make_executor(const SessionOptions& options) const override;
  std::size_t weight_bytes() const override { return weight_bytes_; }

  // Lowers the graph and uploads the weights.
  std::vector<StepInfo> lower_all(const ProgramInput& input);

  // Of one session on the GPU.
  std::size_t session_bytes() const;

  struct Launch {
    std::string node;
    std::unique_ptr<LaunchStep> step;
  };

  Device device;
  ProductKernels products;
  std::optional<HalfProducts> half_products;  // where values are halves
  std::vector<Launch> launches;
  DeviceMemory weights;
  kernels::cuda::RowBytesScratch row_scratch;  // of a session
  BufferRef logits;
  int label_count;
  std::size_t arena_bytes;
  Bucket most;               // the capacity of a run
  bool may_overlap = false;  // whether the kernels wait for launches before them

 private:
  std::size_t weight_bytes_ = 0;
};

}  // namespace qe::cuda
