// A part is taken by a compare and swap of the phase's number. No thread enters a phase before all
// parts of the one before are done, so a part is taken once in a phase, and never by a thread that
// comes late: what it finds there is the phase's number or a later one. A thread that has taken a
// part keeps the phase, and with it the job, from ending; without one it touches nothing of the
// job.
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

// Spins until ready(), for kSpin at most; whether it is.
template <typename Ready>
bool spin_until(const Ready& ready) noexcept {
  if (ready()) return true;
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; !ready(); ++i) {
    if (i % 64 == 63 && std::chrono::steady_clock::now() - start > kSpin) return false;
    _mm_pause();
  }
  return true;
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

ThreadPool::ThreadPool(int threads, bool pin) : taken_(static_cast<std::size_t>(threads)) {
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
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    posted_.fetch_add(1, std::memory_order_release);
  }
  posted_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_erased(Erased call, const void* body, int phases) {
  if (workers_.empty()) {
    for (int phase = 0; phase < phases; ++phase) call(body, phase, 0);
    return;
  }
  const PinnedCaller pinned(cpus_);
  Job job;
  {
    const std::lock_guard lock(mutex_);
    job = {call, body, job_.first + static_cast<std::uint64_t>(job_.phases), phases};
    job_ = job;
    posted_.fetch_add(1, std::memory_order_release);
  }
  posted_.notify_all();
  work_on(job, 0);
}

void ThreadPool::work(int thread, int cpu) noexcept {
  if (cpu >= 0) pin_to_cpu(cpu);
  for (std::uint32_t seen = 0;;) {
    if (!spin_until([&] { return posted_.load(std::memory_order_acquire) != seen; })) {
      posted_.wait(seen, std::memory_order_acquire);
    }
    Job job;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      job = job_;
      seen = posted_.load(std::memory_order_relaxed);
    }
    work_on(job, thread);
  }
}

void ThreadPool::work_on(const Job& job, int thread) noexcept {
  for (int i = 0; i < job.phases; ++i) {
    const std::uint64_t phase = job.first + static_cast<std::uint64_t>(i);
    for (int p = 0; p < size(); ++p) {
      const int part = (thread + p) % size();
      if (!take(part, phase)) continue;
      job.call(job.body, i, part);
      finish_part(phase);
    }
    wait_for(phase);
  }
}

bool ThreadPool::take(int part, std::uint64_t phase) noexcept {
  std::atomic<std::uint64_t>& taken = taken_[static_cast<std::size_t>(part)].phase;
  std::uint64_t last = taken.load(std::memory_order_relaxed);
  return last < phase && taken.compare_exchange_strong(last, phase, std::memory_order_relaxed);
}

bool ThreadPool::is_over(std::uint64_t phase) const noexcept {
  return done_.load(std::memory_order_acquire) >= phase * taken_.size();
}

void ThreadPool::finish_part(std::uint64_t phase) noexcept {
  const std::uint64_t done = done_.fetch_add(1, std::memory_order_acq_rel) + 1;
  if (done < phase * taken_.size()) return;
  completed_.fetch_add(1, std::memory_order_release);
  completed_.notify_all();
}

void ThreadPool::wait_for(std::uint64_t phase) noexcept {
  while (!spin_until([&] { return is_over(phase); })) {
    const std::uint32_t completed = completed_.load(std::memory_order_acquire);
    if (is_over(phase)) return;
    completed_.wait(completed, std::memory_order_acquire);
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
