// What CUDA makes of launches that overlap in a recording. Needs a GPU: the host's stand-in takes
// its own word for it.
#include <cuda_runtime_api.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <vector>

#include "kernels/cuda/rows.h"
#include "tests/cuda/gpu_support.h"

namespace {

using qe::kernels::cuda::LaunchStream;
using qe::test::DeviceArray;
using qe::test::require;

class Recorder {
 public:
  Recorder() {
    require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking));
    require(cudaStreamBeginCapture(stream_, cudaStreamCaptureModeThreadLocal));
  }
  ~Recorder() {
    static_cast<void>(cudaGraphDestroy(graph_));
    static_cast<void>(cudaStreamDestroy(stream_));
  }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  cudaStream_t stream() const { return stream_; }
  std::vector<cudaGraphEdgeData> edges() {
    require(cudaStreamEndCapture(stream_, &graph_));
    std::size_t count = 0;
    require(cudaGraphGetEdges(graph_, nullptr, nullptr, nullptr, &count));
    std::vector<cudaGraphNode_t> from(count);
    std::vector<cudaGraphNode_t> to(count);
    std::vector<cudaGraphEdgeData> data(count);
    require(cudaGraphGetEdges(graph_, from.data(), to.data(), data.data(), &count));
    return data;
  }

 private:
  cudaStream_t stream_ = nullptr;
  cudaGraph_t graph_ = nullptr;
};

}  // namespace

TEST_CASE("recorded launches that overlap are programmatic edges") {
  bool waits = false;
  require(static_cast<cudaError_t>(qe::kernels::cuda::waits_for_launches(waits)));
  if (!waits) {
    MESSAGE("skipped: kernels of this GPU do not wait for launches before them");
    return;
  }
  const DeviceArray x(std::vector<float>(64, 1.0F));
  const DeviceArray y(std::vector<float>(64, 2.0F));
  const DeviceArray zeros(std::vector<std::int32_t>(1, 0));
  const DeviceArray ones(std::vector<std::int32_t>(1, 1));
  const std::vector<float> host(64, 3.0F);
  Recorder recorder;
  const auto copy = [&](const DeviceArray<float>& from, const DeviceArray<float>& to,
                        LaunchStream stream) {
    const int error = launch_select_rows({.x = from.data(),
                                          .ldx = 64,
                                          .rows = zeros.data(),
                                          .count = 1,
                                          .cols = 64,
                                          .y = to.data(),
                                          .ldy = 64},
                                         ones.data(), stream);
    require(static_cast<cudaError_t>(error));
  };
  require(cudaMemcpyAsync(x.data(), host.data(), 64 * sizeof(float), cudaMemcpyHostToDevice,
                          recorder.stream()));
  copy(x, y, recorder.stream());
  copy(y, x, {recorder.stream(), true});
  copy(x, y, {recorder.stream(), true});
  const std::vector<cudaGraphEdgeData> edges = recorder.edges();
  CHECK(edges.size() == 3);
  const auto programmatic = std::count_if(edges.begin(), edges.end(), [](const auto& edge) {
    return edge.type == cudaGraphDependencyTypeProgrammatic &&
           edge.from_port == cudaGraphKernelNodePortProgrammatic;
  });
  CHECK(programmatic == 2);
}
