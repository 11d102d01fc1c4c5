// Calibration: every sample runs by itself through the float model on one thread, so its
// activations do not depend on its neighbours or on the number of threads; counts are added up
// afterwards.
#include <algorithm>
#include <atomic>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>

#include "engine/runtime/plan_impl.h"
#include "engine/runtime/thread_pool.h"

#include <qe/error.h>
#include <qe/quantize.h>
#include <qe/session.h>

namespace qe {
namespace {

// Values whose range a static model needs: of text models the inputs of linears and what attention
// reads, of image models everything.
Calibration observed_values(const Model& model, const Plan& plan) {
  Calibration values;
  if (model.image) {
    for (const std::string& value : plan.impl().observed) values.try_emplace(value);
    return values;
  }
  for (const Node& node : model.graph.nodes) {
    if (std::holds_alternative<LinearOp>(node.op)) {
      values.try_emplace(model.graph.value(node.inputs[0]).name);
    } else if (std::holds_alternative<AttentionOp>(node.op)) {
      for (const ValueId id : node.inputs) values.try_emplace(model.graph.value(id).name);
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

  Session& session() { return session_; }
  const Calibration& statistics() const { return statistics_; }

 private:
  Session session_;
  Calibration statistics_;
};

class Team {
 public:
  Team(const Model& model, int threads, const std::function<void(std::size_t)>& progress)
      : progress_(progress) {
    CompileOptions options;
    options.max_tokens = std::max(model.max_positions, 1);
    options.max_sequences = 1;
    options.threads = threads;
    options.release_source = false;
    plan_ = compile_with(model, options, calibration_passes());
    failures_.resize(static_cast<std::size_t>(threads));
    parts_.resize(failures_.size());
    empty_ = observed_values(model, *plan_);
  }

  // `take(session)` runs one more sample through the session; false where there is none left.
  Calibration run(const std::function<bool(Session&)>& take) {
    ThreadPool pool(static_cast<int>(parts_.size()), false);
    pool.run([&](int part) noexcept { work(take, static_cast<std::size_t>(part)); });
    for (const std::exception_ptr& failure : failures_) {
      if (failure) std::rethrow_exception(failure);
    }
    Calibration merged = empty_;
    for (const Calibration& part : parts_) {
      for (const auto& [name, histogram] : part) merged[name].merge(histogram);
    }
    return merged;
  }

 private:
  void work(const std::function<bool(Session&)>& take, std::size_t part) noexcept {
    try {
      Worker worker(plan_, empty_);
      while (!stop_ && take(worker.session())) {
        const std::size_t done = ++done_;
        if (progress_ && std::this_thread::get_id() == caller_) progress_(done);
      }
      parts_[part] = worker.statistics();
    } catch (...) {
      failures_[part] = std::current_exception();
      stop_ = true;
    }
  }

  const std::function<void(std::size_t)>& progress_;
  std::thread::id caller_ = std::this_thread::get_id();
  std::shared_ptr<const Plan> plan_;
  Calibration empty_;
  std::atomic<bool> stop_{false};
  std::atomic<std::size_t> done_{0};
  std::vector<std::exception_ptr> failures_;
  std::vector<Calibration> parts_;
};

}  // namespace

Calibration calibrate(const Model& model, std::span<const CalibrationText> texts, int threads,
                      const std::function<void(std::size_t)>& progress) {
  if (texts.empty()) throw UsageError({.problem = "calibration needs at least one text"});
  std::atomic<std::size_t> next{0};
  return Team(model, threads, progress).run([&](Session& session) {
    const std::size_t i = next++;
    if (i >= texts.size()) return false;
    const CalibrationText& text = texts[i];
    const std::int32_t offsets[] = {0, static_cast<std::int32_t>(text.ids.size())};
    session.run(TextBatch{.token_ids = text.ids, .type_ids = text.type_ids, .offsets = offsets});
    return true;
  });
}

Calibration calibrate(const Model& model, const ImageSource& source, int threads,
                      const std::function<void(std::size_t)>& progress) {
  std::mutex reading;
  std::atomic<std::size_t> images{0};
  Calibration merged = Team(model, threads, progress).run([&](Session& session) {
    thread_local std::vector<std::uint8_t> pixels;
    {
      const std::lock_guard lock(reading);
      if (!source(pixels)) return false;
    }
    ++images;
    session.run(ImageBatch{.pixels = pixels});
    return true;
  });
  if (images == 0) throw UsageError({.problem = "calibration needs at least one image"});
  return merged;
}

}  // namespace qe
