// The command line of qe-bench gemm.
#include <qe/error.h>

#include "tools/bench/gemm/study.h"
#include "tools/support/output.h"
#include "tools/support/progress.h"
#include "tools/support/run_tool.h"

namespace qe::tools {
namespace {

constexpr const char* kExamples =
    "  qe-bench gemm --shapes bert-base --compare onednn\n"
    "      The products of a BERT-base layer on the CPU, against oneDNN.\n"
    "  qe-bench gemm --device cuda --shapes bert-base,8192x8192x8192 --compare cublaslt\n"
    "      On the first GPU, against the best of cuBLASLt's algorithms.\n"
    "  qe-bench gemm --device cuda:1 --shapes 16x768x3072 --all-kernels --format json\n"
    "      Every kernel on the second GPU: what the choice between them is made from.\n";

struct CommandLine {
  std::string shapes = "bert-base";
  std::string compare = "none";
  std::vector<GemmShape> parsed_shapes = {};
  GemmOptions options = {};
};

bool on_gpu(const SharedFlags& flags) { return flags.device.kind == DeviceSpec::Kind::kCuda; }

CommandLine parse_command_line(int argc, const char* const* argv) {
  CommandLine line;
  SharedFlags& flags = line.options.flags;
  flags.warmup = 20;
  flags.duration = 0.1;
  bool no_pin = false;
  CLI::App app;
  describe(app, "qe-bench gemm", "Measure the integer matrix product, beside a rival's.",
           kExamples);
  add_device(app, flags);
  app.add_option("--shapes", line.shapes, "bert-base, bert-large, MxNxK, or several")
      ->type_name("LIST")
      ->capture_default_str();
  app.add_option("--compare", line.compare, "Rival: onednn (cpu), cublaslt (cuda) or none")
      ->check(CLI::IsMember({"none", "onednn", "cublaslt"}))
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--pairs", line.options.pairs, "Pairs of timed blocks a rival")
      ->check(CLI::Range(1, 100'000))
      ->type_name("N")
      ->capture_default_str();
  app.add_flag("--all-kernels", line.options.all_kernels,
               "Every kernel of ours that a GPU can run the shape on");
  app.add_flag("--no-pin", no_pin, "Do not bind threads to CPUs");
  add_threads(app, flags);
  add_output(app, flags, {"table", "md", "csv", "json"});
  add_timing(app, flags);
  add_seed(app, flags);
  add_engine(app, flags);
  add_progress(app, flags);
  parse(app, argc, argv, flags);
  line.options.pin = !no_pin;
  line.parsed_shapes = parse_shapes(line.shapes, "--shapes");
  line.options.compare = line.compare != "none";
  const char* const rival = on_gpu(flags) ? "cublaslt" : "onednn";
  if (line.options.compare && line.compare != rival) {
    throw UsageError({.problem = "does not run on that device",
                      .name = "--compare",
                      .expected = rival,
                      .actual = line.compare});
  }
  return line;
}

}  // namespace

int run_gemm_bench(int argc, const char* const* argv) {
  const CommandLine line = parse_command_line(argc, argv);
  const SharedFlags& flags = line.options.flags;
  const auto device = on_gpu(flags) ? cuda_gemm_device(flags.device.index, line.options)
                                    : cpu_gemm_device(line.options);
  if (!on_gpu(flags)) {
    for (const std::string& warning : timing_warnings(flags.threads)) {
      note(flags, "note: " + warning);
    }
  }
  Progress progress("shapes", line.parsed_shapes.size(), flags);
  const GemmStudy study = run_gemm_study(*device, line.parsed_shapes, line.options,
                                         [&](std::size_t done) { progress.update(done); });
  Output output(flags.output);
  if (flags.format == "json") {
    Json result = begin_result("qe-bench gemm", flags, {});
    result["complete"] = !interrupted();
    result.update(gemm_json(study, line.options));
    write_json(output.stream(), result);
  } else {
    write_table(output.stream(), gemm_table(study), flags.format);
    if (line.options.compare && flags.format != "csv") {
      write_table(output.stream(), gemm_summary(study), flags.format);
    }
  }
  output.flush();
  for (const std::string& warning : gemm_warnings(study)) note(flags, "warning: " + warning);
  return interrupted() ? kExitInterrupted : kExitOk;
}

}  // namespace qe::tools
