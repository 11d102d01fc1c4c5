// A plan on a GPU without waiting: batches of texts go into the caller's stream, logits come back
// into pinned memory. <qe/session.h> runs the same plans and waits.
#pragma once

#include <memory>
#include <span>

#include <qe/cuda/device.h>
#include <qe/gpu_options.h>
#include <qe/session.h>

namespace qe::cuda {

class Session {
 public:
  // Allocates all it needs but the graphs, of which each size of batch (rounded up) records one at
  // its first use. Sessions of one plan share its weights and nothing else: they can run at the
  // same time. Throws UsageError for a plan that is not for a GPU, ResourceError with the needed
  // and the free bytes, DeviceError.
  explicit Session(std::shared_ptr<const Plan> plan, const GpuOptions& options = {});
  // Waits for what is under way.
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // Enqueues the batch in `stream`, a stream of the plan's device, as one graph: an upload, the
  // model, a download. Waits for nothing, but for the first batch of a size, which is run on no
  // rows and recorded; `batch` may be gone on return. The logits, [sequences][label_count], are
  // there once the stream has passed, and stay until the next enqueue(). One batch at a time:
  // throws UsageError while the one before has not passed, or as qe::Session::run() does;
  // DeviceError if the device has failed, be it in an earlier batch.
  std::span<const float> enqueue(const TextBatch& batch, Stream stream);

  // Waits for the last batch. Throws DeviceError if the device failed in its middle; the session is
  // then of no more use, nor is the plan: destroy both before reset_device().
  void wait();

  const Plan& plan() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace qe::cuda
