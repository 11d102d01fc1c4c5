// ThreadPool: a fixed team, the caller being thread 0, that runs a body phase by phase. A phase has
// as many parts as the team has threads; each thread takes its own first, then what others have not
// begun. So a thread that wakes late or whose CPU is taken away holds up at most the part it is in.
// Waiting spins for some 50 microseconds, then sleeps in the kernel. One caller at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
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

  // Threads of the team, and parts of a phase.
  int size() const { return static_cast<int>(taken_.size()); }

  // body(phase, part) for every part of phase 0, then for those of phase 1 and so on; a part sees
  // what those of earlier phases wrote. Returns when all are done. The body must not throw. Which
  // thread runs a part is open, so what a thread may own goes by the part's number.
  template <typename Body>
  void run(int phases, const Body& body) {
    static_assert(std::is_nothrow_invocable_v<const Body&, int, int>);
    run_erased([](const void* b, int phase,
                  int part) noexcept { (*static_cast<const Body*>(b))(phase, part); },
               &body, phases);
  }
  // body(part) for every part of a single phase.
  template <typename Body>
  void run(const Body& body) {
    static_assert(std::is_nothrow_invocable_v<const Body&, int>);
    run(1, [&body](int, int part) noexcept { body(part); });
  }

 private:
  using Erased = void (*)(const void*, int, int) noexcept;
  // Phases are numbered from 1 over the life of the pool.
  struct Job {
    Erased call = nullptr;
    const void* body = nullptr;
    std::uint64_t first = 1;
    int phases = 0;
  };
  // The last phase in which the part was taken, on a cache line of its own.
  struct alignas(64) Taken {
    std::atomic<std::uint64_t> phase{0};
  };

  void run_erased(Erased call, const void* body, int phases);
  void work_on(const Job& job, int thread) noexcept;
  bool take(int part, std::uint64_t phase) noexcept;
  bool is_over(std::uint64_t phase) const noexcept;
  void finish_part(std::uint64_t phase) noexcept;
  void wait_for(std::uint64_t phase) noexcept;
  void work(int thread, int cpu) noexcept;
  void stop() noexcept;

  std::vector<Taken> taken_;
  std::vector<int> cpus_;
  std::mutex mutex_;  // guards the next two
  Job job_;
  bool stopping_ = false;
  // One cache line each: the waiters of one must not disturb the others.
  alignas(64) std::atomic<std::uint32_t> posted_{0};     // jobs so far, to sleep on
  alignas(64) std::atomic<std::uint64_t> done_{0};       // parts so far
  alignas(64) std::atomic<std::uint32_t> completed_{0};  // phases so far, to sleep on
  std::vector<std::thread> workers_;
};

// Part `part` of `parts` of [0, total) in whole multiples of `unit` (the last part takes the rest).
struct Part {
  int begin;
  int end;
};
Part split(int total, int parts, int part, int unit);

}  // namespace qe
