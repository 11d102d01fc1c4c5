// Launches that overlap, on the stand-in for the CUDA runtime: what kernels do wrong in one shows,
// and so does a launch that may not be one.
#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <qe/cuda/device.h>

#include "kernels/cuda/entry.h"
#include "kernels/cuda/ptx/launch_order.h"
#include "tests/cuda/gpu_support.h"

namespace {

using qe::kernels::cuda::LaunchConfig;
using qe::kernels::cuda::LaunchStream;
using qe::kernels::cuda::wait_for_launches_before;
using qe::test::DeviceArray;

enum class Read { kEarly, kLate, kWithoutWaiting };

// to[i] = from[i] + 1.
void add_one(const int* from, int* to, Read when) {
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  const int early = from[at];
  if (when != Read::kWithoutWaiting) wait_for_launches_before();
  to[at] = (when == Read::kEarly ? early : from[at]) + 1;
}

int launch_add(const DeviceArray<int>& from, const DeviceArray<int>& to, Read when,
               LaunchStream stream) {
  return LaunchConfig(2, 32, 0, stream).launch(&add_one, from.data(), to.data(), when);
}

class TestStream {
 public:
  TestStream() { qe::test::require(cudaStreamCreate(&stream_)); }
  ~TestStream() { static_cast<void>(cudaStreamDestroy(stream_)); }
  TestStream(const TestStream&) = delete;
  TestStream& operator=(const TestStream&) = delete;
  cudaStream_t get() const { return stream_; }
  LaunchStream overlapping() const { return {stream_, true}; }

 private:
  cudaStream_t stream_ = nullptr;
};

// Three launches one after the other, the last two overlapping, recorded and replayed twice with
// other numbers. What comes out, element by element, for 10 and then for 20.
std::vector<int> replay(Read when) {
  const TestStream stream;
  const DeviceArray x(std::vector<int>(64, 0));
  const DeviceArray y(std::vector<int>(64, 0));
  std::vector<int> host(64, 10);
  qe::test::require(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
  qe::test::require(cudaMemcpyAsync(x.data(), host.data(), 64 * sizeof(int), cudaMemcpyHostToDevice,
                                    stream.get()));
  CHECK(launch_add(x, y, Read::kLate, stream.get()) == cudaSuccess);
  CHECK(launch_add(y, x, when, stream.overlapping()) == cudaSuccess);
  CHECK(launch_add(x, y, Read::kLate, stream.overlapping()) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  cudaGraphExec_t executable = nullptr;
  qe::test::require(cudaStreamEndCapture(stream.get(), &graph));
  qe::test::require(cudaGraphInstantiate(&executable, graph));
  std::vector<int> results;
  for (const int input : {10, 20}) {
    host.assign(64, input);
    qe::test::require(cudaGraphLaunch(executable, stream.get()));
    if (cudaStreamSynchronize(stream.get()) != cudaSuccess) break;
    const std::vector<int> result = y.read();
    results.insert(results.end(), result.begin(), result.end());
  }
  static_cast<void>(cudaGraphExecDestroy(executable));
  static_cast<void>(cudaGraphDestroy(graph));
  return results;
}

}  // namespace

TEST_CASE("a recorded launch that overlaps begins before the one before it has ended") {
  std::vector<int> expected(64, 13);
  expected.insert(expected.end(), 64, 23);
  const int before = qe::simt::kernels_begun_ahead();
  CHECK(replay(Read::kLate) == expected);
  CHECK(qe::simt::kernels_begun_ahead() == before + 4);
  CHECK(replay(Read::kEarly) != expected);
  CHECK(replay(Read::kWithoutWaiting).empty());
  CHECK(std::string(cudaGetErrorString(cudaErrorLaunchFailure)).find("without having waited") !=
        std::string::npos);
  qe::cuda::reset_device(0);
}

TEST_CASE("launches overlap only where code waits, and in a recording only after a kernel") {
  qe::simt::Machine& machine = qe::simt::machine();
  const qe::simt::Machine before = machine;
  const TestStream stream;
  const DeviceArray x(std::vector<int>(64, 0));
  const auto launch = [&](LaunchStream to) { return launch_add(x, x, Read::kLate, to); };
  CHECK(launch(stream.overlapping()) == cudaSuccess);
  machine.major = 8;
  CHECK(launch(stream.overlapping()) == cudaErrorNotSupported);
  CHECK(launch(stream.get()) == cudaSuccess);
  machine.major = 10;
  CHECK(launch(stream.overlapping()) == cudaSuccess);
  machine.ptx_version = 80;
  CHECK(launch(stream.overlapping()) == cudaErrorNotSupported);
  machine = before;

  qe::test::require(cudaStreamBeginCapture(stream.get(), cudaStreamCaptureModeThreadLocal));
  CHECK(launch(stream.overlapping()) == cudaErrorNotSupported);
  CHECK(cudaMemsetAsync(x.data(), 0, 4, stream.get()) == cudaSuccess);
  CHECK(launch(stream.overlapping()) == cudaErrorNotSupported);
  CHECK(launch(stream.get()) == cudaSuccess);
  CHECK(launch(stream.overlapping()) == cudaSuccess);
  cudaGraph_t graph = nullptr;
  qe::test::require(cudaStreamEndCapture(stream.get(), &graph));
  static_cast<void>(cudaGraphDestroy(graph));
  static_cast<void>(cudaGetLastError());
  qe::test::require(cudaStreamSynchronize(stream.get()));
}
