// Recording at first use, replay after it.
#include "engine/backends/cuda/executor.h"

#include <algorithm>

#include <qe/error.h>

#include "engine/backends/cuda/runtime.h"

namespace qe::cuda {
namespace {

constexpr std::size_t kPieceAlignment = 256;

std::size_t align(std::size_t bytes) {
  return (bytes + kPieceAlignment - 1) / kPieceAlignment * kPieceAlignment;
}

std::size_t logit_bytes(const GpuProgram& program, int sequences) {
  return static_cast<std::size_t>(sequences) * static_cast<std::size_t>(program.label_count) *
         sizeof(float);
}

}  // namespace

SessionLayout::SessionLayout(const GpuProgram& program)
    : inputs(align(program.arena_bytes)),
      product_scratch(inputs + align(InputLayout(program.most).bytes)),
      row_gates(product_scratch + align(program.products.scratch_bytes())),
      row_largest(row_gates + align(program.row_scratch.gate_bytes)),
      half_workspace(row_largest + align(program.row_scratch.largest_bytes)),
      bytes(half_workspace +
            (program.half_products ? HalfProducts::workspace_bytes() : std::size_t{0})) {}

GpuExecutor::GpuExecutor(const GpuProgram& program, const GpuOptions& options)
    : program_(program),
      options_(options),
      layout_(program),
      memory_(allocate_zeroed(program.device.index, layout_.bytes, "a session")),
      host_inputs_(allocate_pinned(program.device.index, InputLayout(program.most).bytes,
                                   "inputs of a session")),
      host_logits_(allocate_pinned(program.device.index,
                                   logit_bytes(program, program.most.sequences),
                                   "logits of a session")),
      stream_(make_stream(program.device.index)),
      passed_(make_event(program.device.index)) {}

GpuExecutor::~GpuExecutor() {
  const NothrowScope scope(program_.device.index);
  static_cast<void>(cudaEventSynchronize(passed_.get()));
}

void GpuExecutor::run(const RunInputs& inputs, std::span<float> logits,
                      const qe::Session::Observer& observer) {
  static_cast<void>(observer);  // never set: plans of a GPU are not observed
  const std::span<const float> ready = enqueue(inputs, stream_.get());
  wait();
  std::copy(ready.begin(), ready.end(), logits.begin());
}

std::span<const float> GpuExecutor::enqueue(const RunInputs& inputs, Stream stream) {
  const DeviceScope scope(program_.device.index);
  require_idle();
  const Bucket bucket = bucket_of(size_of(inputs), program_.most);
  const cudaGraphExec_t graph = graph_for(bucket);
  write_inputs(inputs, InputLayout(bucket), host_inputs_.get());
  check(cudaGraphLaunch(graph, stream), "launching a graph");
  check(cudaEventRecord(passed_.get(), stream), "recording an event");
  const auto* const logits = reinterpret_cast<const float*>(host_logits_.get());
  return {logits, logit_bytes(program_, inputs.sequences) / sizeof(float)};
}

void GpuExecutor::wait() {
  const DeviceScope scope(program_.device.index);
  check(cudaEventSynchronize(passed_.get()), "running a model");
}

void GpuExecutor::require_idle() const {
  const cudaError_t error = cudaEventQuery(passed_.get());
  if (error == cudaErrorNotReady) {
    static_cast<void>(cudaGetLastError());
    throw UsageError({.problem = "the session still runs the batch before",
                      .name = "session",
                      .expected = "one batch at a time"});
  }
  check(error, "running a model");
}

cudaGraphExec_t GpuExecutor::graph_for(const Bucket& bucket) {
  const auto found = graphs_.find(bucket);
  if (found != graphs_.end()) return found->second.get();
  return graphs_.emplace(bucket, record(bucket)).first->second.get();
}

// The first launch follows a copy, which only ordinary launches wait for.
void GpuExecutor::launch_all(LaunchContext context, bool overlap) const {
  for (const GpuProgram::Launch& launch : program_.launches) {
    check_launch(launch.step->launch(context), ("recording " + launch.node).c_str());
    context.stream.overlaps = overlap;
  }
}

// Kernels and libraries load what they need at their first launch, and may allocate, which a
// recording forbids: everything runs once before, on no rows at all.
void GpuExecutor::warm_up(const LaunchContext& context) const {
  check(cudaMemsetAsync(memory_.get() + layout_.inputs, 0, context.layout.bytes,
                        context.stream.handle),
        "clearing inputs");
  launch_all(context, false);
  check(cudaStreamSynchronize(context.stream.handle), "running a model");
}

ExecutableGraph GpuExecutor::record(const Bucket& bucket) {
  const InputLayout inputs(bucket);
  std::byte* const device_inputs = memory_.get() + layout_.inputs;
  LaunchContext context{
      .arena = memory_.get(),
      .weights = program_.weights.get(),
      .inputs = device_inputs,
      .layout = inputs,
      .bucket = bucket,
      .products = program_.products,
      .product_scratch = memory_.get() + layout_.product_scratch,
      .row_gates = reinterpret_cast<unsigned int*>(memory_.get() + layout_.row_gates),
      .row_largest = reinterpret_cast<float*>(memory_.get() + layout_.row_largest),
      .half_products = program_.half_products ? &*program_.half_products : nullptr,
      .half_workspace = memory_.get() + layout_.half_workspace,
      .stream = stream_.get(),
      .options = options_};
  warm_up(context);
  context.byte_head_launches = &byte_head_launches_;
  Recording recording(program_.device.index, stream_.get());
  check(cudaMemcpyAsync(device_inputs, host_inputs_.get(), inputs.bytes, cudaMemcpyHostToDevice,
                        stream_.get()),
        "recording the upload");
  launch_all(context, options_.overlap && program_.may_overlap);
  // Rows of logits lie apart on the GPU, as the product wants them, and together here.
  const std::size_t row = logit_bytes(program_, 1);
  check(cudaMemcpy2DAsync(host_logits_.get(), row, program_.logits.first<std::byte>(context.arena),
                          static_cast<std::size_t>(program_.logits.row_bytes), row,
                          static_cast<std::size_t>(bucket.sequences), cudaMemcpyDeviceToHost,
                          stream_.get()),
        "recording the download");
  return recording.finish();
}

}  // namespace qe::cuda
