// Lowers everything first, so that a node without a kernel or too little memory is found before
// anything is allocated.
#include "engine/backends/cuda/gpu_program.h"

#include <algorithm>
#include <utility>

#include "engine/backends/cuda/device_checks.h"
#include "engine/backends/cuda/executor.h"
#include "engine/backends/cuda/program.h"
#include "engine/backends/cuda/runtime.h"
#include "kernels/cuda/attention.h"
#include "kernels/cuda/rows.h"

namespace qe::cuda {
namespace {

std::size_t shared_bytes(int device) {
  int bytes = 0;
  check(cudaDeviceGetAttribute(&bytes, cudaDevAttrMaxSharedMemoryPerBlockOptin, device),
        "asking for a device's shared memory");
  return static_cast<std::size_t>(bytes);
}

bool has_halves(const Graph& graph) {
  const auto is_half = [&](const Node& node) {
    return node.outputs[0] != kNoValue && graph.value(node.outputs[0]).dtype == DType::kF16;
  };
  return std::any_of(graph.nodes.begin(), graph.nodes.end(), is_half);
}

}  // namespace

GpuProgram::GpuProgram(const Device& on, const ProgramInput& input)
    : device(on),
      products(on),
      logits(input.memory.values.at(input.graph.output)),
      label_count(input.label_count),
      arena_bytes(input.memory.arena_bytes),
      most{.sequences = input.options.max_sequences,
           .tokens = input.options.max_tokens,
           .longest = std::min(input.options.max_tokens, input.max_positions)} {
  const DeviceScope scope(device.index);
  check(static_cast<cudaError_t>(kernels::cuda::prepare_attention()), "loading kernels");
  check(static_cast<cudaError_t>(kernels::cuda::waits_for_launches(may_overlap)),
        "asking what kernels are compiled for");
  if (has_halves(input.graph)) half_products.emplace(device);
}

std::vector<StepInfo> GpuProgram::lower_all(const ProgramInput& input) {
  WeightPlan plan;
  LoweringContext context{
      .input = input, .shared_bytes = shared_bytes(device.index), .weights = plan};
  std::vector<StepInfo> infos;
  for (const Node& node : input.graph.nodes) {
    LoweredStep lowered = lower(node, context);
    launches.push_back({node.name, std::move(lowered.step)});
    infos.push_back(std::move(lowered.info));
  }
  row_scratch = context.row_scratch;
  // Kernels and libraries were loaded since the device was described.
  check_memory(plan.bytes() + session_bytes(), free_bytes(device.index),
               "weights of a plan and one session");
  weights = plan.upload(device.index);
  weight_bytes_ = plan.bytes();
  return infos;
}

std::size_t GpuProgram::session_bytes() const { return SessionLayout(*this).bytes; }

std::unique_ptr<Executor> GpuProgram::make_executor(const SessionOptions& options) const {
  return std::make_unique<GpuExecutor>(*this, options.gpu);
}

Compiled compile_program(const ProgramInput& input) {
  auto program = std::make_unique<GpuProgram>(usable_device(input.options.device.index), input);
  std::vector<StepInfo> infos = program->lower_all(input);
  return {.program = std::move(program), .infos = std::move(infos), .observed = {}};
}

}  // namespace qe::cuda
