// The pool runs every part once, phase after phase, whoever comes late; nothing hangs when there
// are more threads than CPUs, and threads that cannot be started are an error. How work is divided.
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <atomic>
#include <memory>
#include <vector>

#include <doctest/doctest.h>

#include "engine/backends/cpu/split.h"
#include "engine/runtime/thread_pool.h"
#include "tests/engine/tiny_model.h"
#include "tests/support/float_models.h"

#include <qe/error.h>
#include <qe/quantize.h>

namespace {

// While this lives no thread can be started: each would need a stack larger than the address space.
class NoThreads {
 public:
  NoThreads() {
    REQUIRE(pthread_getattr_default_np(&saved_) == 0);
    pthread_attr_t endless = saved_;
    REQUIRE(pthread_attr_setstacksize(&endless, std::size_t{1} << 60) == 0);
    REQUIRE(pthread_setattr_default_np(&endless) == 0);
  }
  ~NoThreads() { pthread_setattr_default_np(&saved_); }
  NoThreads(const NoThreads&) = delete;
  NoThreads& operator=(const NoThreads&) = delete;

 private:
  pthread_attr_t saved_;
};

TEST_CASE("threads that cannot be started are an error that names their number") {
  const NoThreads no_threads;
  CHECK_NOTHROW(qe::ThreadPool(1, false));
  try {
    qe::ThreadPool(3, false);
    FAIL("no exception");
  } catch (const qe::ResourceError& e) {
    CHECK(e.detail().name == "threads");
    CHECK(e.detail().expected == "3");
  }
}

TEST_CASE("calibration passes that error on") {
  if (qe::test::skip_float("calibration")) return;
  const qe::Model model = qe::build_model(qe::test::TinyCheckpoint({}).bert());
  const qe::test::TinyBatch batch({20}, qe::test::TinyShape{}.vocab, 3);
  const std::vector<qe::CalibrationText> texts = {{batch.ids, batch.types}};
  const NoThreads no_threads;
  CHECK_THROWS_AS(qe::calibrate(model, texts, 2), qe::ResourceError);
  CHECK(qe::calibrate(model, texts, 1).size() > 10);
}

TEST_CASE("every part of a phase runs once, when all parts of the phases before have run") {
  constexpr int kPhases = 5;
  for (const int threads : {1, 2, 5, 32}) {
    for (const bool pin : {false, true}) {
      CAPTURE(threads);
      CAPTURE(pin);
      qe::ThreadPool pool(threads, pin);
      REQUIRE(pool.size() == threads);
      std::atomic<int> wrong{0};
      for (int round = 0; round < 50; ++round) {
        std::vector<std::atomic<int>> seen(static_cast<std::size_t>(threads * kPhases));
        std::atomic<int> begun{0};
        std::atomic<int> ended{0};
        pool.run(kPhases, [&](int phase, int part) noexcept {
          ++begun;
          if (ended.load() < phase * threads) ++wrong;
          ++seen[static_cast<std::size_t>(phase * threads + part)];
          if (begun.load() > (phase + 1) * threads) ++wrong;
          ++ended;
        });
        for (const auto& count : seen) REQUIRE(count == 1);
      }
      CHECK(wrong == 0);
    }
  }
}

// Stops a thread wherever it is, as a system does that has no CPU for it.
class Stopped {
 public:
  explicit Stopped(pthread_t thread) {
    stop_ = true;
    struct sigaction action = {};
    action.sa_handler = [](int) {
      stopped_ = true;
      while (stop_) sched_yield();
      stopped_ = false;
    };
    REQUIRE(sigaction(SIGUSR1, &action, &before_) == 0);
    REQUIRE(pthread_kill(thread, SIGUSR1) == 0);
    while (!stopped_) sched_yield();
  }
  ~Stopped() {
    stop_ = false;
    while (stopped_) sched_yield();
    sigaction(SIGUSR1, &before_, nullptr);
  }
  Stopped(const Stopped&) = delete;
  Stopped& operator=(const Stopped&) = delete;

 private:
  static inline std::atomic<bool> stop_{false};
  static inline std::atomic<bool> stopped_{false};
  struct sigaction before_ = {};
};

// ThreadSanitizer keeps a signal back while a thread sleeps.
#ifndef __SANITIZE_THREAD__
TEST_CASE("a thread without a CPU holds nobody up, and helps again when it has one") {
  const pthread_t caller = pthread_self();
  qe::ThreadPool pool(2, false);
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> met{false};
    std::atomic<pthread_t> worker{};
    pool.run([&](int part) noexcept {
      if (part == 1) {
        worker = pthread_self();
        met = true;
      }
      while (!met) sched_yield();  // so that each of the two has a part
    });
    REQUIRE(pthread_equal(worker, caller) == 0);
    const Stopped stopped(worker);
    int parts_of_caller = 0;
    pool.run(3,
             [&](int, int) noexcept { parts_of_caller += pthread_equal(pthread_self(), caller); });
    CHECK(parts_of_caller == 6);
  }
}
#endif

// What a body refers to is gone when run() returns; a thread that comes late must not look at it,
// nor take a part of a later run for one of its own.
TEST_CASE("runs follow each other at once, with threads still on their way") {
  for (const int threads : {2, 3, 7}) {
    CAPTURE(threads);
    qe::ThreadPool pool(threads, false);
    for (int round = 0; round < 3000; ++round) {
      const int phases = round % 4;
      const auto sums = std::make_unique<std::vector<int>>(static_cast<std::size_t>(threads));
      pool.run(phases, [&sums](int phase, int part) noexcept {
        (*sums)[static_cast<std::size_t>(part)] += phase + 1;
      });
      const int expected = phases * (phases + 1) / 2;
      for (const int sum : *sums) REQUIRE(sum == expected);
    }
  }
}

TEST_CASE("the weights of all threads' columns are the whole matrix, one behind the other") {
  using qe::kernels::kPanelWidth;
  for (int columns : {1, 16, 40, 64, 65, 128, 1000, 3072}) {
    for (int k : {1, 4, 27, 768}) {
      const std::vector<std::int8_t> packed(qe::kernels::packed_bytes(columns, k));
      for (int threads : {1, 2, 3, 20}) {
        CAPTURE(columns);
        CAPTURE(k);
        CAPTURE(threads);
        std::size_t position = 0;
        for (int t = 0; t < threads; ++t) {
          const qe::Part part = qe::split(columns, threads, t, kPanelWidth);
          const auto weights = qe::cpu::packed_columns(packed.data(), part, k);
          CHECK(weights.empty() == (part.begin == part.end));
          if (!weights.empty()) CHECK(weights.data() == packed.data() + position);
          position += weights.size();
        }
        CHECK(position == packed.size());
      }
    }
  }
}

TEST_CASE("products are shared by rows in whole units, or by columns") {
  const auto by_rows = qe::cpu::split_product(3136, 64, 64, 2, 1, true, 14);
  CHECK(by_rows.rows.begin == 1568);
  CHECK(by_rows.rows.end == 3136);
  CHECK(by_rows.columns.end == 64);
  const auto by_columns = qe::cpu::split_product(128, 768, 64, 2, 1);
  CHECK(by_columns.rows.begin == 0);
  CHECK(by_columns.rows.end == 128);
  CHECK(by_columns.columns.begin == 384);
  CHECK(by_columns.columns.end == 768);
}

TEST_CASE("parts cover the whole in order, in whole units") {
  for (int total : {0, 1, 5, 63, 64, 65, 1000}) {
    for (int parts : {1, 2, 3, 7}) {
      for (int unit : {1, 6, 64}) {
        int position = 0;
        for (int p = 0; p < parts; ++p) {
          const qe::Part part = qe::split(total, parts, p, unit);
          CHECK(part.begin == position);
          CHECK(part.end >= part.begin);
          CHECK((part.begin % unit == 0 || part.begin == total));
          position = part.end;
        }
        CHECK(position == total);
      }
    }
  }
}

}  // namespace
