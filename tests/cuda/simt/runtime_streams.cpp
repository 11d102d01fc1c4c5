// Streams, graphs and events.
#include <memory>
#include <utility>
#include <vector>

#include "tests/cuda/simt/runtime_state.h"

using namespace qe::simt;  // NOLINT(google-build-using-namespace): of this stand-in

cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  const Lock lock;
  const cudaError_t error = create(stream);
  if (error == cudaSuccess) state().streams.insert(*stream);
  return error;
}
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const Lock lock;
  const cudaError_t error = cudaStreamCreate(stream);
  if (error == cudaSuccess) (*stream)->blocking = flags != cudaStreamNonBlocking;
  return error;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  const Lock lock;
  if (state().streams.erase(stream) == 0) return report(cudaErrorInvalidResourceHandle);
  static_cast<void>(drain(*stream));
  return destroy(stream);
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const Lock lock;
  if (!known(stream)) return report(cudaErrorInvalidResourceHandle);
  if (default_stream_barred(stream)) return report(cudaErrorStreamCaptureImplicit);
  if (capturing()) return report(cudaErrorStreamCaptureUnsupported);
  return drain(stream_of(stream));
}
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode mode) {
  const Lock lock;
  if (stream == nullptr || stream->captured) return report(cudaErrorStreamCaptureUnsupported);
  stream->captured = std::make_unique<std::vector<Operation>>();
  stream->mode = mode;
  stream->capturer = std::this_thread::get_id();
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  const Lock lock;
  if (stream == nullptr || !stream->captured) return report(cudaErrorInvalidValue);
  const std::unique_ptr<std::vector<Operation>> captured = std::move(stream->captured);
  const cudaError_t error = create(graph);
  if (error == cudaSuccess) (*graph)->operations = std::move(*captured);
  return error;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  const Lock lock;
  const cudaError_t error = create(exec);
  if (error == cudaSuccess) (*exec)->operations = graph->operations;
  return error;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t stream) {
  return enqueue(stream, [operations = exec->operations] {
    InOrder order;
    for (std::size_t i = 0; i < operations.size(); ++i) {
      const Operation* const next = i + 1 < operations.size() ? &operations[i + 1] : nullptr;
      const cudaError_t error = order.run(operations[i], next);
      if (error != cudaSuccess) return error;
    }
    return cudaSuccess;
  });
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) { return destroy(graph); }
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) { return destroy(exec); }

// Waiting for an event does all that its stream holds.
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) { return create(event); }
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const Lock lock;
  event->recorded_in = &stream_of(stream);
  event->passed = std::make_shared<bool>(false);
  return enqueue(stream, [passed = event->passed] {
    *passed = true;
    return cudaSuccess;
  });
}
cudaError_t cudaEventQuery(cudaEvent_t event) {
  const Lock lock;
  if (usable() != cudaSuccess) return state().lost;
  return *event->passed ? cudaSuccess : cudaErrorNotReady;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const Lock lock;
  return *event->passed ? usable() : drain(*event->recorded_in);
}
cudaError_t cudaEventDestroy(cudaEvent_t event) { return destroy(event); }
