// The pool runs every body on every thread, barriers hold, nothing hangs when there are more
// threads than CPUs, and threads that cannot be started are an error.
#include <pthread.h>

#include <atomic>
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
