// Generation-counter barrier and job hand-over on two futex words.
#include "engine/runtime/thread_pool.h"

#include <immintrin.h>
#include <sched.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>

#include <qe/error.h>
#include <qe/machine.h>

namespace qe {
namespace {

constexpr auto kSpin = std::chrono::microseconds(50);

void wait_while_equal(const std::atomic<std::uint32_t>& word, std::uint32_t old) noexcept {
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; word.load(std::memory_order_acquire) == old; ++i) {
    if (i % 64 == 63 && std::chrono::steady_clock::now() - start > kSpin) {
      word.wait(old, std::memory_order_acquire);
    } else {
      _mm_pause();
    }
  }
}

// The caller's own affinity, given back when its part of the work ends.
class PinnedCaller {
 public:
  explicit PinnedCaller(const std::vector<int>& cpus) : active_(!cpus.empty()) {
    if (!active_) return;
    active_ = sched_getaffinity(0, sizeof(saved_), &saved_) == 0;
    if (active_) pin_to_cpu(cpus[0]);
  }
  ~PinnedCaller() {
    if (active_) sched_setaffinity(0, sizeof(saved_), &saved_);
  }
  PinnedCaller(const PinnedCaller&) = delete;
  PinnedCaller& operator=(const PinnedCaller&) = delete;

 private:
  bool active_;
  cpu_set_t saved_;
};

}  // namespace

ThreadPool::ThreadPool(int threads, bool pin) {
  if (pin) cpus_ = usable_cpus();
  try {
    workers_.reserve(static_cast<std::size_t>(threads));
    for (int i = 1; i < threads; ++i) {
      const int cpu = cpus_.empty() ? -1 : cpus_[static_cast<std::size_t>(i) % cpus_.size()];
      workers_.emplace_back([this, i, cpu] { work(i, cpu); });
    }
  } catch (const std::system_error& e) {
    stop();
    throw ResourceError({.problem = "cannot start a thread",
                         .name = "threads",
                         .expected = std::to_string(threads),
                         .actual = e.what()});
  } catch (...) {
    stop();
    throw;
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() noexcept {
  stopping_ = true;
  job_.fetch_add(1, std::memory_order_release);
  job_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_erased(Erased call, const void* body) {
  if (workers_.empty()) {
    call(body, 0);
    return;
  }
  const PinnedCaller pinned(cpus_);
  call_ = call;
  body_ = body;
  job_.fetch_add(1, std::memory_order_release);
  job_.notify_all();
  call(body, 0);
  barrier();  // all are done, and every worker has read this job's number
}

void ThreadPool::work(int thread, int cpu) noexcept {
  if (cpu >= 0) pin_to_cpu(cpu);
  for (std::uint32_t seen = 0;; ++seen) {
    while (job_.load(std::memory_order_acquire) == seen) job_.wait(seen, std::memory_order_acquire);
    if (stopping_) return;
    call_(body_, thread);
    barrier();
  }
}

void ThreadPool::barrier() noexcept {
  if (workers_.empty()) return;
  const std::uint32_t generation = generation_.load(std::memory_order_acquire);
  if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size()) {
    arrived_.store(0, std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_acq_rel);
    generation_.notify_all();
  } else {
    wait_while_equal(generation_, generation);
  }
}

Part split(int total, int parts, int part, int unit) {
  const int units = (total + unit - 1) / unit;
  const auto at = [&](int p) {
    return std::min(total, static_cast<int>(static_cast<long>(units) * p / parts) * unit);
  };
  return {at(part), at(part + 1)};
}

}  // namespace qe
