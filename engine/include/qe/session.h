// Session: a plan, its arena and its threads. One session serves one caller at a time; make one a
// caller (they share the plan). The calling thread takes part in the work.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>

#include <qe/gpu_options.h>
#include <qe/plan.h>

namespace qe {

// Sequences packed one after another without padding.
struct TextBatch {
  std::span<const std::int32_t> token_ids;  // [tokens]
  std::span<const std::int32_t> type_ids;   // [tokens], or empty for all zero
  std::span<const std::int32_t> offsets;    // [sequences + 1], from 0 to tokens, increasing
};

// Images of the size that the model's ImageInput says, RGB, not normalized.
struct ImageBatch {
  std::span<const std::uint8_t> pixels;  // [images][height][width][3]
};

struct SessionOptions {
  int threads = 1;
  bool pin_threads = false;  // bind worker i to the i-th CPU this process may use
  GpuOptions gpu = {};       // of a plan on a GPU, which has no use for the two above
};

class Session {
 public:
  Session(std::shared_ptr<const Plan> plan, const SessionOptions& options);
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // Logits [sequences][label_count], valid until the next run. Throws UsageError if the batch
  // exceeds the plan's capacity, a sequence is empty or longer than the model's positions, or an id
  // is out of range; nothing else can fail.
  std::span<const float> run(const TextBatch& batch);
  // Logits [images][label_count]. Throws UsageError if the plan is for texts, or if the pixels are
  // not those of 1 to max_sequences() whole images.
  std::span<const float> run(const ImageBatch& batch);

  // Called after each step that makes an f32 activation, with the graph value's name and its rows.
  // For calibration and study; slows the run. Only float plans call it.
  using Observer =
      std::function<void(std::string_view value, std::span<const float> data, int rows, int cols)>;
  void set_observer(Observer observer);

  const Plan& plan() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace qe
