// ThreadPool: a fixed team that runs one body at a time on every thread, the caller being thread 0,
// with a barrier inside the body. Waiting spins for some 50 microseconds, then sleeps in the
// kernel; between calls the workers sleep. One caller at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace qe {

class ThreadPool {
 public:
  // `threads` >= 1 including the caller. `pin`: worker i runs on the i-th CPU this process may use,
  // and so does the caller while it is in run(). Throws ResourceError if a thread cannot be
  // started.
  ThreadPool(int threads, bool pin);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const { return static_cast<int>(workers_.size()) + 1; }

  // body(thread) on every thread; returns when all are done. The body must not throw.
  template <typename Body>
  void run(const Body& body) {
    static_assert(std::is_nothrow_invocable_v<const Body&, int>);
    run_erased([](const void* b, int thread) noexcept { (*static_cast<const Body*>(b))(thread); },
               &body);
  }

  // Waits until every thread of the running body has come here.
  void barrier() noexcept;

 private:
  using Erased = void (*)(const void*, int) noexcept;
  void run_erased(Erased call, const void* body);
  void work(int thread, int cpu) noexcept;
  void stop() noexcept;

  std::vector<std::thread> workers_;
  Erased call_ = nullptr;
  const void* body_ = nullptr;
  bool stopping_ = false;
  std::vector<int> cpus_;
  // One cache line each: the waiters of one must not disturb the others.
  alignas(64) std::atomic<std::uint32_t> job_{0};
  alignas(64) std::atomic<std::uint32_t> generation_{0};
  alignas(64) std::atomic<int> arrived_{0};
};

// Part `part` of `parts` of [0, total) in whole multiples of `unit` (the last part takes the rest).
struct Part {
  int begin;
  int end;
};
Part split(int total, int parts, int part, int unit);

}  // namespace qe
