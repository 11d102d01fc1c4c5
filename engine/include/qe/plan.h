// Plan: an immutable compiled program: steps, packed weights, and one arena laid out in advance.
// Built for a capacity of tokens and sequences, or of images; runs take the actual counts.
// Shareable between threads and sessions. A plan is for one device: the CPU, or a GPU, which holds
// its weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <qe/device_spec.h>
#include <qe/isa.h>
#include <qe/model.h>

namespace qe {

struct CompileOptions {
  int max_tokens = 512;  // capacity of one run, all sequences together; images: set by their number
  int max_sequences = 32;  // capacity of one run, in texts or images
  // Threads used to convert and pack weights. Float convolutions run on as many in sessions that
  // have them, else on one.
  int threads = 1;
  Isa isa = default_isa();  // on the CPU
  // A GPU runs INT8 models of texts, with the same bits as the CPU.
  DeviceSpec device = {};
  // Gives back the file pages of each weight once it is packed; compiling the same model again
  // reads them anew.
  bool release_source = true;
};

struct ArenaBuffer {
  std::string value;  // the graph value it holds, or a scratch's purpose
  DType dtype;
  std::int64_t rows;  // at capacity
  std::int64_t row_elements;
  std::size_t bytes;
  std::size_t offset;
  int first_step;  // alive from .. to, inclusive
  int last_step;
};

struct StepInfo {
  std::string name;
  std::string kernel;                // "gemm u8s8 gelu_erf -> f32", ...
  std::int64_t macs_per_row = 0;     // of the step's rows (tokens or sequences)
  bool per_sequence = false;         // its rows are sequences (texts, images)
  std::int64_t attention_width = 0;  // attention: heads * head size, else 0
  std::size_t weight_bytes = 0;
};

struct PassTrace {
  std::string name;
  std::size_t nodes_before;
  std::size_t nodes_after;
  std::string graph;  // dump after the pass
};

class Plan {
 public:
  // Runs the passes in their one order and lowers the result. `model` is consumed. Throws
  // GraphError; UnsupportedError naming a node that the device has no kernel for; ResourceError,
  // for a GPU before anything is allocated, with the bytes that are needed and free; DeviceError
  // for a GPU that is missing, too old or fails, and UsageError for an index beyond them.
  static std::shared_ptr<const Plan> compile(Model model, const CompileOptions& options);
  ~Plan();
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  int max_tokens() const;
  int max_sequences() const;
  // Images of a run that are worked on together, group after group: as many as the caches hold.
  int images_at_once() const;
  int label_count() const;
  std::size_t image_bytes() const;  // of one image's pixels; 0 for texts
  Isa isa() const;
  DeviceSpec device() const;
  bool integer() const;  // every matrix product runs in integers
  std::size_t arena_bytes() const;
  std::size_t weight_bytes() const;  // resident, packed
  const std::vector<ArenaBuffer>& buffers() const;
  const std::vector<StepInfo>& steps() const;
  const std::vector<PassTrace>& passes() const;  // names and node counts; text only if traced
  // Multiply-adds of one run. Image models know their tokens: give any number.
  std::int64_t macs(int tokens_per_sequence, int sequences) const;

  // The compiled form, opaque outside the library.
  struct Impl;
  explicit Plan(std::unique_ptr<const Impl> impl);
  const Impl& impl() const { return *impl_; }

 private:
  std::unique_ptr<const Impl> impl_;
};

// The graph before and after every pass, for inspection.
std::vector<PassTrace> trace_passes(const Model& model);

}  // namespace qe
