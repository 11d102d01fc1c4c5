// Sweeps, thresholds, shared flags and the table from errors to exit codes.
#include <array>
#include <cmath>
#include <limits>
#include <new>
#include <string>
#include <vector>

#include <doctest/doctest.h>

#include <qe/error.h>

#include "tools/support/args.h"
#include "tools/support/run_tool.h"
#include "tools/support/sweep.h"
#include "tools/support/threshold.h"

namespace qe::tools {
namespace {

SharedFlags parsed(std::vector<const char*> arguments) {
  CLI::App app;
  SharedFlags flags;
  describe(app, "qe-test", "Tests.", "  qe-test\n");
  add_threads(app, flags);
  add_batch(app, flags);
  add_max_length(app, flags);
  add_seed(app, flags);
  add_engine(app, flags);
  add_device(app, flags);
  add_timing(app, flags);
  add_progress(app, flags);
  add_output(app, flags, {"table", "json"});
  arguments.insert(arguments.begin(), "qe-test");
  parse(app, static_cast<int>(arguments.size()), arguments.data(), flags);
  return flags;
}

TEST_CASE("sweeps") {
  const auto sweep = [](const char* text) { return parse_sweep(text, "--batch"); };
  CHECK(sweep("8") == std::vector{8});
  CHECK(sweep("1,2,4") == std::vector{1, 2, 4});
  CHECK(sweep("1-4") == std::vector{1, 2, 3, 4});
  CHECK(sweep("16-512*2") == std::vector{16, 32, 64, 128, 256, 512});
  CHECK(sweep("32-128+32,7") == std::vector{32, 64, 96, 128, 7});
  CHECK(sweep("5-5") == std::vector{5});
  CHECK(sweep("3-10*3") == std::vector{3, 9});
  for (const char* bad : {"", ",", "1,", "0", "-1", "a", "1 2", "4-2", "1-4*1", "1-4*", "1-4/2",
                          "1000001", "1-100000", "99999999999999999999", "1-", "2x", "+3"}) {
    CHECK_THROWS_AS(sweep(bad), UsageError);
  }
}

TEST_CASE("thresholds") {
  constexpr std::array<std::string_view, 2> kKnown = {"accuracy", "accuracy_drop"};
  const Threshold threshold = parse_threshold("accuracy_drop > 0.01", kKnown);
  CHECK(threshold.figure == "accuracy_drop");
  CHECK(exceeded(threshold, 0.02));
  CHECK_FALSE(exceeded(threshold, 0.01));
  CHECK(exceeded(threshold, std::numeric_limits<double>::quiet_NaN()));
  CHECK(exceeded(parse_threshold("accuracy<=0.9", kKnown), 0.9));
  CHECK_FALSE(exceeded(parse_threshold("accuracy<0.9", kKnown), 0.9));
  CHECK(exceeded(parse_threshold("accuracy_drop>=-1e-3", kKnown), 0.0));
  for (const char* bad : {"", "accuracy", "accuracy=1", "nonsense>1", "accuracy>", "accuracy>x",
                          "accuracy>1x", "accuracy>nan", ">1", "accuracy<>1"}) {
    CHECK_THROWS_AS(parse_threshold(bad, kKnown), UsageError);
  }
  const std::vector<Threshold> both = {threshold, parse_threshold("accuracy<0.9", kKnown)};
  CHECK(failures(both, {{"accuracy", 0.8}}) == std::vector<std::string>{"accuracy<0.9 (0.800000)"});
  CHECK(failures(both, {{"accuracy", 0.95}, {"accuracy_drop", 0.0}}).empty());
}

TEST_CASE("shared flags and their defaults") {
  const SharedFlags defaults = parsed({});
  CHECK(defaults.threads == cpu_count());
  CHECK(defaults.format == "table");
  CHECK(defaults.max_length == 0);
  CHECK(defaults.device.kind == DeviceSpec::Kind::kCpu);
  const SharedFlags flags =
      parsed({"--threads", "3",        "--batch=16",    "--max-length", "96",
              "--seed",    "9",        "--format",      "json",         "--output",
              "x.json",    "--quiet",  "--no-progress", "--isa",        "reference",
              "--no-mmap", "--device", "cuda:2",        "--warmup",     "0",
              "--iters",   "7"});
  CHECK(flags.threads == 3);
  CHECK(flags.batch == 16);
  CHECK(flags.max_length == 96);
  CHECK(flags.seed == 9);
  CHECK(flags.format == "json");
  CHECK(flags.output == "x.json");
  CHECK(flags.quiet);
  CHECK(flags.no_progress);
  CHECK(flags.isa == Isa::kReference);
  CHECK(flags.no_mmap);
  CHECK(flags.device.kind == DeviceSpec::Kind::kCuda);
  CHECK(flags.device.index == 2);
  CHECK(flags.warmup == 0);
  CHECK(flags.iterations == 7);
}

TEST_CASE("flags out of range or unknown are usage errors") {
  using Arguments = std::vector<const char*>;
  for (const Arguments& bad :
       {Arguments{"--threads", "0"}, Arguments{"--threads", "two"}, Arguments{"--batch", "-1"},
        Arguments{"--max-length", "0"}, Arguments{"--format", "xml"}, Arguments{"--isa", "sse9"},
        Arguments{"--nonsense"}, Arguments{"stray"}, Arguments{"--iters", "3", "--duration", "1"},
        Arguments{"--duration", "0"}, Arguments{"--seed"}}) {
    CHECK_THROWS_AS(parsed(bad), UsageError);
  }
  for (const char* const device : {"", "gpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:-1",
                                   "cuda:+1", "cuda: 1", "cuda:1x", "cuda0", "cuda:99999999999"}) {
    CHECK_THROWS_AS(parsed({"--device", device}), UsageError);
  }
}

TEST_CASE("each kind of error has its exit code") {
  const auto code_of = [](auto error) {
    return run_tool("qe-test", [&]() -> int { throw error; });
  };
  CHECK(run_tool("qe-test", [] { return 0; }) == kExitOk);
  CHECK(run_tool("qe-test", [] { return 1; }) == kExitThreshold);
  CHECK(code_of(UsageError({.problem = "usage"})) == 2);
  CHECK(code_of(LoadError({.problem = "model"})) == 3);
  CHECK(code_of(UnsupportedError({.problem = "unsupported"})) == 3);
  CHECK(code_of(GraphError({.problem = "graph"})) == 3);
  CHECK(code_of(DataError({.problem = "data"})) == 4);
  CHECK(code_of(IoError({.problem = "input or output"})) == 5);
  CHECK(code_of(ResourceError({.problem = "memory"})) == 6);
  CHECK(code_of(std::bad_alloc()) == 6);
  CHECK(code_of(DeviceError({.problem = "GPU"})) == 7);
  CHECK(code_of(std::logic_error("internal")) == 70);
  CHECK(code_of(EarlyExit{}) == 0);
  CHECK_FALSE(interrupted());
}

}  // namespace
}  // namespace qe::tools
