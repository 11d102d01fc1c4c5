// Cycles that the body of a benchmark takes: the time this thread has run, by a clock rate that a
// chain of dependent additions gives before and after it. Neither other processes of the machine
// nor a changing clock distort them.
#pragma once

#include <benchmark/benchmark.h>

#include <cstdint>
#include <ctime>

#include "kernels/peak.h"

namespace qe::bench {

inline double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline double cycles_per_second() {
  constexpr std::int64_t kIterations = 50'000;
  const double start = thread_seconds();
  benchmark::DoNotOptimize(kernels::run_cycle_chain(kIterations));
  return static_cast<double>(kIterations * kernels::kCyclesPerChain) / (thread_seconds() - start);
}

// Runs the benchmark's iterations of `body` and returns the cycles of one.
template <class Body>
double cycles_per_call(benchmark::State& state, Body body) {
  double clock = cycles_per_second();
  const double start = thread_seconds();
  for (auto _ : state) {
    body();
    benchmark::ClobberMemory();
  }
  const double seconds = thread_seconds() - start;
  clock = (clock + cycles_per_second()) / 2;
  return seconds * clock / static_cast<double>(state.iterations());
}

}  // namespace qe::bench
