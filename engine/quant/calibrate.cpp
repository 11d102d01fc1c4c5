// Calibration: every text runs by itself through the float model on one thread, so its activations
// do not depend on its neighbours or on the number of threads; counts are added up afterwards.
#include <atomic>
#include <exception>
#include <memory>

#include "engine/runtime/plan_impl.h"
#include "engine/runtime/thread_pool.h"

#include <qe/error.h>
#include <qe/quantize.h>
#include <qe/session.h>

namespace qe {
namespace {

// Values whose range a static model needs: inputs of linears, and what attention reads.
Calibration observed_values(const Graph& graph) {
  Calibration values;
  for (const Node& node : graph.nodes) {
    if (std::holds_alternative<LinearOp>(node.op)) {
      values.try_emplace(graph.value(node.inputs[0]).name);
    } else if (std::holds_alternative<AttentionOp>(node.op)) {
      for (const ValueId id : node.inputs) values.try_emplace(graph.value(id).name);
    }
  }
  return values;
}

class Worker {
 public:
  Worker(std::shared_ptr<const Plan> plan, Calibration empty)
      : session_(std::move(plan), {.threads = 1}), statistics_(std::move(empty)) {
    session_.set_observer([this](std::string_view value, std::span<const float> data, int, int) {
      const auto it = statistics_.find(std::string(value));
      if (it != statistics_.end()) it->second.add(data);
    });
  }

  void run(const CalibrationText& text) {
    const std::int32_t offsets[] = {0, static_cast<std::int32_t>(text.ids.size())};
    session_.run({.token_ids = text.ids, .type_ids = text.type_ids, .offsets = offsets});
  }

  const Calibration& statistics() const { return statistics_; }

 private:
  Session session_;
  Calibration statistics_;
};

}  // namespace

Calibration calibrate(const Model& model, std::span<const CalibrationText> texts, int threads,
                      const std::function<void(std::size_t)>& progress) {
  if (texts.empty()) throw UsageError({.problem = "calibration needs at least one text"});
  CompileOptions options;
  options.max_tokens = model.max_positions;
  options.max_sequences = 1;
  options.threads = threads;
  options.release_source = false;
  const auto plan = compile_with(model, options, calibration_passes());
  const Calibration empty = observed_values(model.graph);

  std::atomic<std::size_t> next{0};
  std::atomic<std::size_t> done{0};
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(threads));
  std::vector<Calibration> parts(static_cast<std::size_t>(threads));
  ThreadPool pool(threads, false);
  pool.run([&](int index) noexcept {
    const auto thread = static_cast<std::size_t>(index);
    try {
      Worker worker(plan, empty);
      for (std::size_t i = next++; i < texts.size(); i = next++) {
        worker.run(texts[i]);
        ++done;
        if (thread == 0 && progress) progress(done);
      }
      parts[thread] = worker.statistics();
    } catch (...) {
      failures[thread] = std::current_exception();
      next = texts.size();
    }
  });
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  Calibration merged = empty;
  for (const Calibration& part : parts) {
    for (const auto& [name, histogram] : part) merged[name].merge(histogram);
  }
  return merged;
}

}  // namespace qe
