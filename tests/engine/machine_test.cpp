// CPUs can be listed and bound to; the machine's measured limits are sane, consistent, and refused
// where they cannot be measured. No figure is compared with a clock.
#include <doctest/doctest.h>
#include <qe/error.h>
#include <qe/machine.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <thread>
#include <vector>

TEST_CASE("the INT8 peak is a rate per second, a clock and their quotient") {
  const qe::PeakSample sample = qe::measure_int8_peak(qe::available_isas().back(), 0.002);
  CHECK(sample.gmacs > 0);
  CHECK(sample.ghz > 0);
  CHECK(sample.macs_per_cycle == doctest::Approx(sample.gmacs / sample.ghz));
}

TEST_CASE("a thread binds itself to a CPU it may use and to no other") {
  const std::vector<int> cpus = qe::usable_cpus();
  REQUIRE_FALSE(cpus.empty());
  CHECK(std::is_sorted(cpus.begin(), cpus.end()));
  std::thread([&] {
    CHECK(qe::pin_to_cpu(cpus.back()));
    CHECK(qe::usable_cpus() == std::vector{cpus.back()});
    CHECK_FALSE(qe::pin_to_cpu(-1));
    CHECK_FALSE(qe::pin_to_cpu(1 << 20));
    CHECK(qe::usable_cpus() == std::vector{cpus.back()});
  }).join();
  CHECK(qe::usable_cpus() == cpus);
}

TEST_CASE("no time at all still gives a sample") {
  for (const qe::Isa isa : qe::available_isas()) {
    CHECK(qe::measure_int8_peak(isa, 0).gmacs > 0);
  }
  const std::vector<std::byte> memory(64);
  CHECK(qe::measure_read_bandwidth(memory, 0) > 0);
}

TEST_CASE("the read rate is positive for memory of any size and place") {
  const std::vector<std::byte> memory(100'000);
  CHECK(qe::measure_read_bandwidth(memory, 0.001) > 0);
  CHECK(qe::measure_read_bandwidth(std::span(memory).subspan(1, 65), 0.001) > 0);
}

TEST_CASE("memory too small to read is refused") {
  const std::vector<std::byte> memory(63);
  try {
    qe::measure_read_bandwidth(memory, 0.001);
    FAIL("no error");
  } catch (const qe::UsageError& error) {
    CHECK(error.detail().name == "memory");
    CHECK(error.detail().actual == "63");
    CHECK(error.detail().expected == "at least 64 bytes");
  }
}
