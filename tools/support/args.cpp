// Shared flags on top of CLI11. Ranges are checked here, so tools never see a value out of range.
#include "tools/support/args.h"

#include <algorithm>
#include <cmath>
#include <iostream>
#include <set>

#include <qe/error.h>
#include <qe/machine.h>
#include <qe/version.h>

#include "tools/support/cpu_quota.h"
#include "tools/support/text.h"

namespace qe::tools {

int cpu_count(std::optional<double> quota) {
  const auto cpus = static_cast<double>(usable_cpus().size());
  return static_cast<int>(std::clamp(std::ceil(quota.value_or(cpus)), 1.0, std::max(cpus, 1.0)));
}

int cpu_count() { return cpu_count(cpu_quota()); }

void add_threads(CLI::App& app, SharedFlags& flags) {
  app.add_option("--threads", flags.threads,
                 "Threads (default: the CPUs this process may use; of a container, its limit)")
      ->check(CLI::Range(1, 1024))
      ->type_name("N");
}

void add_batch(CLI::App& app, SharedFlags& flags) {
  app.add_option("--batch", flags.batch, "Texts or images of one run")
      ->check(CLI::Range(1, 65536))
      ->type_name("N")
      ->capture_default_str();
}

void add_max_length(CLI::App& app, SharedFlags& flags) {
  app.add_option("--max-length", flags.max_length,
                 "Tokens a text is cut to, [CLS] and [SEP] included (default: the model's own)")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N");
}

void add_images(CLI::App& app, SharedFlags& flags) {
  app.add_flag("--no-exif-rotation", flags.no_exif_rotation,
               "Leave images as they are stored; else they are turned upright by their EXIF data");
}

void add_seed(CLI::App& app, SharedFlags& flags) {
  app.add_option("--seed", flags.seed, "Seed of everything random; results repeat with it")
      ->type_name("N")
      ->capture_default_str();
}

void add_engine(CLI::App& app, SharedFlags& flags) {
  app.add_option("--isa", flags.isa_name,
                 "Fastest instruction set to use: reference, avx2, avx512_vnni or amx (default: "
                 "QE_ISA, else what the CPU has)")
      ->type_name("NAME");
  app.add_flag("--no-mmap", flags.no_mmap,
               "Read weight files instead of mapping them (for files that others may truncate)");
}

void add_device(CLI::App& app, SharedFlags& flags) {
  app.add_option("--device", flags.device_name,
                 "Where it runs: cpu, cuda (the first GPU) or cuda:INDEX")
      ->type_name("DEVICE")
      ->capture_default_str();
}

void add_timing(CLI::App& app, SharedFlags& flags) {
  app.add_option("--warmup", flags.warmup, "Untimed runs before the timed ones")
      ->check(CLI::Range(0, 1'000'000))
      ->type_name("N")
      ->capture_default_str();
  auto* const iterations = app.add_option("--iters", flags.iterations, "Timed runs of one block");
  iterations->check(CLI::Range(1, 1'000'000))->type_name("N");
  app.add_option("--duration", flags.duration, "Seconds of one timed block")
      ->check(CLI::Range(0.001, 86'400.0))
      ->type_name("SECONDS")
      ->capture_default_str()
      ->excludes(iterations);
}

void add_progress(CLI::App& app, SharedFlags& flags) {
  app.add_flag("--quiet", flags.quiet, "Print the result alone: no notes, no progress");
  app.add_flag("--no-progress", flags.no_progress,
               "No progress line (there is none anyway unless standard error is a terminal)");
}

void add_output(CLI::App& app, SharedFlags& flags, std::initializer_list<const char*> formats) {
  flags.format = *formats.begin();
  std::set<std::string> allowed(formats.begin(), formats.end());
  app.add_option("--format", flags.format, "Form of the result")
      ->check(CLI::IsMember(std::move(allowed)))
      ->type_name("FORMAT")
      ->capture_default_str();
  app.add_option("--output,-o", flags.output, "Write the result to this file")->type_name("FILE");
}

void describe(CLI::App& app, const std::string& name, const std::string& purpose,
              const std::string& examples) {
  app.name(name);
  app.description(purpose);
  app.set_version_flag("--version", name + " " + std::string(kVersion),
                       "Print the version and stop");
  app.footer("\nExamples:\n" + examples +
             "\nExit codes: 0 success, 1 a --fail-if threshold failed, 2 usage, 3 bad model, 4 bad "
             "data,\n5 input or output, 6 out of memory or capacity, 7 no usable GPU, 130 "
             "interrupted.");
}

Isa capped_isa(const std::string& text, const std::string& flag) {
  const auto wanted = parse_isa(text);
  if (!wanted) {
    throw UsageError({.problem = "unknown instruction set",
                      .name = flag,
                      .expected = "reference, avx2, avx512_vnni or amx",
                      .actual = quote(text)});
  }
  return std::min(*wanted, available_isas().back());
}

namespace {

DeviceSpec device_of(const std::string& text) {
  const auto device = parse_device(text);
  if (device) return *device;
  throw UsageError({.problem = "unknown device",
                    .name = "--device",
                    .expected = "cpu, cuda or cuda:INDEX",
                    .actual = quote(text)});
}

}  // namespace

void parse(CLI::App& app, int argc, const char* const* argv, SharedFlags& flags) {
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& done) {  // --help, --version
    app.exit(done, std::cout, std::cerr);
    throw EarlyExit{};
  } catch (const CLI::ParseError& error) {
    throw UsageError({.problem = std::string(error.what()) + "; see --help"});
  }
  if (flags.threads == 0) flags.threads = cpu_count();
  flags.device = device_of(flags.device_name);
  flags.isa = flags.isa_name.empty() ? default_isa() : capped_isa(flags.isa_name, "--isa");
}

}  // namespace qe::tools
