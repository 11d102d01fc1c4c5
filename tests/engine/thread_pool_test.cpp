// The pool runs every body on every thread, barriers hold, and nothing hangs when there are more
// threads than CPUs.
#include <atomic>
#include <vector>

#include <doctest/doctest.h>

#include "engine/runtime/thread_pool.h"

namespace {

TEST_CASE("every thread runs, and no thread passes a barrier early") {
  for (const int threads : {1, 2, 5, 32}) {
    for (const bool pin : {false, true}) {
      qe::ThreadPool pool(threads, pin);
      CHECK(pool.size() == threads);
      std::atomic<int> failures{0};
      for (int round = 0; round < 50; ++round) {
        std::vector<std::atomic<int>> seen(static_cast<std::size_t>(threads));
        std::atomic<int> arrived{0};
        pool.run([&](int thread) noexcept {
          ++seen[static_cast<std::size_t>(thread)];
          for (int phase = 1; phase <= 4; ++phase) {
            ++arrived;
            pool.barrier();
            if (arrived.load() != phase * threads) ++failures;
            pool.barrier();
          }
        });
        for (const auto& count : seen) CHECK(count == 1);
      }
      CHECK(failures == 0);
    }
  }
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
