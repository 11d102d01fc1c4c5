// qe-bench: the latency study of one or several models, the worker of comparisons with other
// engines, the writer of models with random weights to study, and (qe-bench gemm) the measurement
// of single matrix products.
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include <qe/error.h>
#include <qe/load.h>
#include <qe/model.h>
#include <qe/quantize.h>
#include <qe/save.h>
#include <qe/synthetic.h>

#include "tools/bench/follow.h"
#include "tools/bench/gemm/study.h"
#include "tools/bench/report.h"
#include "tools/bench/study.h"
#include "tools/bench/variant.h"
#include "tools/support/args.h"
#include "tools/support/output.h"
#include "tools/support/progress.h"
#include "tools/support/run_tool.h"
#include "tools/support/sweep.h"
#include "tools/support/temporary_folder.h"
#include "tools/support/text.h"

namespace qe::tools {
namespace {

constexpr const char* kExamples =
    "  qe-bench models/tiny-emotion --threads 1,2 --seq-len 16-128*2\n"
    "      One model; lengths 16, 32, 64 and 128 on one and on two threads.\n"
    "  qe-bench FLOAT_DIR INT8_DIR --batch 1,8 --format json --output bench.json\n"
    "      Two models in alternating blocks A B B A; every raw latency in the JSON.\n"
    "  qe-bench INT8_DIR --data test.tsv --batch 32\n"
    "      Texts of a file, of their own lengths, 32 a run.\n"
    "  qe-bench INT8_DIR --device cuda --batch 1,32,128 --seq-len 16-128*2\n"
    "      An INT8 model of texts on the first GPU (in a build with CUDA).\n"
    "  qe-bench INT8_DIR --device cuda --batch 32 --variant overlap=off --variant "
    "row-bytes-from=1\n"
    "      What each choice of a session on a GPU brings, against the default.\n"
    "  qe-bench FLOAT_DIR INT8_DIR --batch 1,8,32\n"
    "      Models of images: random pixels, images a second at each batch.\n"
    "  qe-bench --synthetic resnet50 --save DIR\n"
    "      Write a ResNet-50 with random weights.\n"
    "  qe-bench --synthetic bert-base:7 --save DIR\n"
    "      Write a BERT-base with random weights of seed 7, to be quantized and measured.\n"
    "  qe-bench --synthetic bert-base --batch 1,8\n"
    "      Measure one, and what dynamic quantization makes of it, without keeping them.\n"
    "  qe-bench gemm --help\n"
    "      The integer matrix product by itself, on the CPU or a GPU, beside a rival's.\n";

struct Options {
  std::vector<std::string> models;
  StudyOptions study;
  std::string synthetic;
  std::string save;
  std::string vocab;
  std::string svg;
  bool force = false;
  bool follow = false;
};

Options parse_options(int argc, const char* const* argv) {
  Options options;
  SharedFlags& flags = options.study.flags;
  flags.warmup = 20;
  flags.duration = 0.5;
  std::string threads;
  std::string batch = "1";
  std::string seq_len = "128";
  bool no_pin = false;
  std::vector<std::string> variants;
  CLI::App app;
  describe(app, "qe-bench", "Measure latency, models and settings in alternation.", kExamples);
  app.add_option("MODEL_DIR", options.models, "Model directories; the first is the reference");
  app.add_option("--threads", threads, "Threads, a sweep (default: the CPUs of this process)")
      ->type_name("LIST");
  app.add_option("--batch", batch, "Texts or images of one run, a sweep")
      ->type_name("LIST")
      ->capture_default_str();
  auto* const length = app.add_option("--seq-len", seq_len, "Tokens of each text, a sweep")
                           ->type_name("LIST")
                           ->capture_default_str();
  app.add_option("--data", options.study.data, "Texts or images of this set instead of random ones")
      ->type_name("PATH")
      ->excludes(length);
  app.add_option("--pairs", options.study.pairs, "Pairs of timed blocks a case and model")
      ->check(CLI::Range(1, 100'000))
      ->type_name("N")
      ->capture_default_str();
  auto* const variant =
      app.add_option("--variant", variants,
                     "Each model once more with other sessions on the GPU: " + variant_help())
          ->type_name("NAME=VALUE,...");
  app.add_flag("--no-pin", no_pin, "Do not bind threads to CPUs");
  app.add_option("--svg", options.svg, "Draw the distribution of latencies")->type_name("FILE");
  app.add_flag("--follow", options.follow, "Measure on command from standard input (bench/peers)")
      ->excludes(variant);  // it has one contestant
  auto* const synthetic =
      app.add_option("--synthetic", options.synthetic, "Random weights: NAME or NAME:SEED")
          ->type_name("SPEC");
  app.add_option("--save", options.save, "Write --synthetic there and measure nothing")
      ->type_name("DIR")
      ->needs(synthetic);
  app.add_option("--vocab", options.vocab, "vocab.txt of the synthetic model (default: made up)")
      ->needs(synthetic)
      ->type_name("FILE");
  app.add_flag("--force", options.force, "Replace an existing model directory")->needs(synthetic);
  add_output(app, flags, {"table", "md", "csv", "json"});
  add_timing(app, flags);
  add_max_length(app, flags);
  add_images(app, flags);
  add_seed(app, flags);
  add_engine(app, flags);
  add_device(app, flags);
  add_progress(app, flags);
  parse(app, argc, argv, flags);
  options.study.pin = !no_pin;
  options.study.seq_lens_given = length->count() > 0;
  options.study.threads =
      threads.empty() ? std::vector<int>{flags.threads} : parse_sweep(threads, "--threads");
  flags.threads = *std::max_element(options.study.threads.begin(), options.study.threads.end());
  for (const std::string& text : variants) options.study.variants.push_back(parse_variant(text));
  if (!variants.empty() && flags.device.kind == DeviceSpec::Kind::kCpu) {
    throw UsageError({.problem = "is for sessions on a GPU",
                      .name = "--variant",
                      .expected = "--device cuda beside it"});
  }
  options.study.batches = parse_sweep(batch, "--batch");
  options.study.seq_lens = parse_sweep(seq_len, "--seq-len");
  if (options.models.empty() == options.synthetic.empty()) {
    throw UsageError({.problem = "give model directories to measure, or --synthetic"});
  }
  if (options.follow && options.models.size() != 1) {
    throw UsageError({.problem = "takes one model directory", .name = "--follow"});
  }
  return options;
}

std::string file_text(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw IoError({.problem = std::strerror(errno), .file = path});
  return {std::istreambuf_iterator<char>(stream), {}};
}

void write_model(const Options& options, const std::filesystem::path& directory) {
  SyntheticOptions synthetic{.force = options.force};
  if (!options.vocab.empty()) synthetic.vocab = file_text(options.vocab);
  write_synthetic(options.synthetic, directory, synthetic);
}

int save_model(const Options& options) {
  write_model(options, options.save);
  note(options.study.flags, "wrote " + options.save + " (" + options.synthetic + ")");
  return kExitOk;
}

int measure(const Options& options) {
  const SharedFlags& flags = options.study.flags;
  for (const std::string& warning : timing_warnings(flags.threads)) {
    note(flags, "note: " + warning);
  }
  Progress progress("cases", 0, flags);
  const Study study = run_study(options.models, options.study,
                                [&](std::size_t done, std::size_t) { progress.update(done); });
  Output output(flags.output);
  if (flags.format == "json") {
    std::vector<std::filesystem::path> inputs(options.models.begin(), options.models.end());
    if (!options.study.data.empty()) inputs.emplace_back(options.study.data);
    Json result = begin_result("qe-bench", flags, inputs);
    result["complete"] = !interrupted();
    result.update(study_json(study, options.study));
    write_json(output.stream(), result);
  } else {
    write_table(output.stream(), study_table(study), flags.format);
  }
  output.flush();
  if (!options.svg.empty()) {
    Output picture(options.svg);
    write_latency_svg(picture.stream(), "Latency", latency_series(study));
    picture.flush();
  }
  for (const std::string& warning : study_warnings(study)) note(flags, "warning: " + warning);
  return interrupted() ? kExitInterrupted : kExitOk;
}

// The model, which a GPU runs in halves, and what dynamic quantization makes of it.
int measure_synthetic(Options options) {
  const TemporaryFolder folder("qe-bench");
  const std::filesystem::path floats = folder.path() / "float";
  const std::filesystem::path bytes = folder.path() / "int8";
  write_model(options, floats);
  const Checkpoint checkpoint = load_checkpoint(floats);
  if (needs_calibration(build_model(checkpoint))) {
    throw UsageError({.problem = "a model of images is quantized with images: write it with --save",
                      .name = "--synthetic",
                      .actual = quote(options.synthetic)});
  }
  write_quantized(quantize(checkpoint, {}, nullptr), floats, bytes);
  options.models.push_back(floats);
  options.models.push_back(bytes);
  return measure(options);
}

int run(int argc, const char* const* argv) {
  if (argc > 1 && std::string_view(argv[1]) == "gemm") return run_gemm_bench(argc - 1, argv + 1);
  const Options options = parse_options(argc, argv);
  if (!options.save.empty()) return save_model(options);
  if (!options.synthetic.empty()) return measure_synthetic(options);
  if (options.follow) {
    follow(options.models.front(), options.study, std::cin, std::cout);
    return kExitOk;
  }
  return measure(options);
}

}  // namespace
}  // namespace qe::tools

int main(int argc, char** argv) {
  return qe::tools::run_tool("qe-bench", [&] { return qe::tools::run(argc, argv); });
}
