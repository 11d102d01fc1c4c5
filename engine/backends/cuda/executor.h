// One session on a GPU: its memory there, pinned memory on the host for inputs and logits, and the
// graphs it has recorded. A run is one upload, the launches and one download, replayed as a whole.
#pragma once

#include <map>
#include <span>

#include <qe/gpu_options.h>

#include "engine/backends/cuda/gpu_program.h"
#include "engine/backends/cuda/inputs.h"
#include "engine/backends/cuda/memory.h"

namespace qe::cuda {

// The pieces of a session's GPU memory, which starts as zeros: products want their scratch
// and their gates cleared.
struct SessionLayout {
  explicit SessionLayout(const GpuProgram& program);

  std::size_t inputs;                  // the arena lies at 0
  std::size_t product_scratch;         // where products add up shared depths
  std::size_t row_gates, row_largest;  // where they make bytes of whole rows
  std::size_t half_workspace;          // of products of halves, where the program has them
  std::size_t bytes;
};

class GpuExecutor : public Executor {
 public:
  // Throws ResourceError, DeviceError. `program` outlives it.
  explicit GpuExecutor(const GpuProgram& program, const GpuOptions& options = {});
  // Waits for what is under way.
  ~GpuExecutor() override;
  GpuExecutor(const GpuExecutor&) = delete;
  GpuExecutor& operator=(const GpuExecutor&) = delete;

  void run(const RunInputs& inputs, std::span<float> logits,
           const qe::Session::Observer& observer) override;

  // Enqueues the run in `stream` and returns where the logits will be: [sequences][label_count], in
  // pinned memory. Waits for nothing. Throws UsageError while the run before has not passed.
  std::span<const float> enqueue(const RunInputs& inputs, Stream stream);
  // Waits for the last run; throws DeviceError if it failed.
  void wait();

  // How many launches of attention that read queries and keys as bytes have been recorded so far.
  int byte_head_launches() const { return byte_head_launches_; }

 private:
  ExecutableGraph record(const Bucket& bucket);
  void warm_up(const LaunchContext& context) const;
  void launch_all(LaunchContext context, bool overlap) const;
  cudaGraphExec_t graph_for(const Bucket& bucket);
  void require_idle() const;

  const GpuProgram& program_;
  GpuOptions options_;
  int byte_head_launches_ = 0;
  SessionLayout layout_;
  DeviceMemory memory_;
  PinnedMemory host_inputs_;
  PinnedMemory host_logits_;
  OwnedStream stream_;
  OwnedEvent passed_;
  std::map<Bucket, ExecutableGraph> graphs_;
};

}  // namespace qe::cuda
