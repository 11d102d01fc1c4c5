// The flags that several tools share, so that the same flag means the same everywhere. A tool adds
// the ones it honours to its CLI11 parser; the values land in one SharedFlags.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <qe/device_spec.h>
#include <qe/isa.h>

namespace qe::tools {

struct SharedFlags {
  int threads = 0;     // after parse(): at least 1
  int batch = 1;       // texts or images of one run
  int max_length = 0;  // tokens a text is cut to; 0: what the model's directory says
  std::uint64_t seed = 1;
  std::string format = "table";
  std::string output;  // empty: standard output
  bool quiet = false;
  bool no_progress = false;
  bool no_mmap = false;
  bool no_exif_rotation = false;
  std::string isa_name;       // empty: the fastest one, capped by QE_ISA
  Isa isa = Isa::kReference;  // after parse()
  std::string device_name = "cpu";
  DeviceSpec device;      // after parse()
  int warmup = 3;         // untimed runs before the timed ones
  int iterations = 0;     // timed runs; 0: as many as --duration holds
  double duration = 1.0;  // seconds of one timed block
};

// One function a flag (or a group that belongs together).
void add_threads(CLI::App& app, SharedFlags& flags);
void add_batch(CLI::App& app, SharedFlags& flags);
void add_max_length(CLI::App& app, SharedFlags& flags);
void add_images(CLI::App& app, SharedFlags& flags);  // --no-exif-rotation
void add_seed(CLI::App& app, SharedFlags& flags);
void add_engine(CLI::App& app, SharedFlags& flags);    // --isa, --no-mmap
void add_device(CLI::App& app, SharedFlags& flags);    // --device
void add_timing(CLI::App& app, SharedFlags& flags);    // --warmup, --iters, --duration
void add_progress(CLI::App& app, SharedFlags& flags);  // --quiet, --no-progress
// --format and --output; the first of `formats` is the default.
void add_output(CLI::App& app, SharedFlags& flags, std::initializer_list<const char*> formats);

// A parser with the name, the purpose, worked examples and --version. `examples` are whole command
// lines with a comment each, shown at the end of --help.
void describe(CLI::App& app, const std::string& name, const std::string& purpose,
              const std::string& examples);

// Parses the command line and settles the defaults that depend on the machine. --help and --version
// print to standard output and throw EarlyExit; anything malformed throws UsageError.
void parse(CLI::App& app, int argc, const char* const* argv, SharedFlags& flags);

// Thrown once --help or --version is answered: the program ends with success.
struct EarlyExit {};

// The instruction set named by `flag`, or the best the CPU has if that is less. Throws UsageError.
Isa capped_isa(const std::string& text, const std::string& flag);

// CPUs this process may run on, at least 1; no more than `quota`, rounded up, lets it use.
int cpu_count(std::optional<double> quota);
int cpu_count();  // with cpu_quota()

}  // namespace qe::tools
